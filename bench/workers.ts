import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cpuMicros } from './proc.js'
import { cleanUpAtExit, freePort, start, stopAll, type Running } from './processes.js'

/**
 * `npm run bench:workers`: how many requests a second one process serves, and several, with the target (nginx) and the load
 * (wrk) on the same processors; and what all processes of a proxy use for one.
 */

const SECONDS = 5
const ROUNDS = Number(process.argv[2] ?? 3)
const ALL = '0-1023'

interface Contender {
  name: string
  start (folder: string, port: number, target: number): Running
}

const sluice = (name: string, ...args: string[]): Contender => ({
  name,
  start: (folder, port, target) => start(name, [process.execPath, 'dist/src/service/cli.js', `http://127.0.0.1:${target}`, '--port', String(port), '--log-level', 'warn', '--pid-file', join(folder, 'pid'), ...args],
    { core: ALL, env: { NODE_ENV: 'production' } })
})

const nginx = (name: string, workers: number): Contender => ({
  name,
  start: (folder, port, target) => nginxWith(folder, workers, `
    upstream target { server 127.0.0.1:${target}; keepalive 128; keepalive_requests 1000000000; }
    server {
      listen 127.0.0.1:${port} backlog=4096;
      location / { proxy_pass http://target; proxy_http_version 1.1; proxy_set_header Connection ''; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }
    }`)
})

const contenders = [nginx('nginx, 1 worker', 1), nginx('nginx, 2 workers', 2), sluice('sluice, 1 process'), sluice('sluice, 1 worker', '--workers', '1'), sluice('sluice, 2 workers', '--workers', '2')]

cleanUpAtExit()
const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
try {
  const target = await freePort()
  const responder = nginxWith(folder, 1, `server { listen 127.0.0.1:${target} backlog=4096; location / { return 200 'Hello, world!'; } }`)
  await responder.listening(target)
  const results = new Map<string, { perSecond: number[], micros: number[] }>(contenders.map(({ name }) => [name, { perSecond: [], micros: [] }]))
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index] of contenders.entries()) {
      const { name, start } = contenders[(index + round) % contenders.length]!
      const own = mkdtempSync(join(folder, 'peer-'))
      const port = await freePort()
      const running = start(own, port, target)
      await running.listening(port)
      load(port, 2)
      const before = treeMicros(running.pid)
      const { requests, perSecond } = load(port, SECONDS)
      results.get(name)!.perSecond.push(perSecond)
      results.get(name)!.micros.push((treeMicros(running.pid) - before) / requests)
      await running.stop()
    }
  }
  console.log('| | requests a second | CPU µs a request, all processes |\n| --- | --- | --- |')
  for (const [name, { perSecond, micros }] of results) console.log(`| ${name} | ${Math.round(median(perSecond)).toLocaleString('en')} | ${median(micros).toFixed(1)} |`)
} finally {
  await stopAll()
  rmSync(folder, { recursive: true, force: true })
}

function nginxWith (folder: string, workers: number, http: string): Running {
  const file = join(folder, `nginx-${workers}.conf`)
  writeFileSync(file, `daemon off;\nworker_processes ${workers};\npid ${folder}/nginx.pid;\nerror_log stderr error;\nevents { worker_connections 4096; }\nhttp {\n  access_log off;\n  keepalive_requests 1000000000;\n${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `  ${name}_temp_path ${folder};`).join('\n')}\n${http}\n}\n`)
  return start('nginx', ['nginx', '-c', file, '-p', folder, '-e', 'stderr'], { core: ALL })
}

function load (port: number, seconds: number): { requests: number, perSecond: number } {
  const { stdout, error } = spawnSync('wrk', ['-t1', '-c64', `-d${seconds}s`, `http://127.0.0.1:${port}/`], { encoding: 'utf8' })
  if (error !== undefined) throw new Error(`wrk is not installed: ${error.message}`)
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(stdout)
  return { requests: Number(/(\d+) requests in/.exec(stdout)![1]), perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)![1]) }
}

/** CPU time of a process and all that it has started. */
function treeMicros (pid: number): number {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      parents.set(Number(name), Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${name}/stat`, 'latin1'))![1]))
    } catch {
      // It has ended meanwhile.
    }
  }
  const isOf = (one: number): boolean => one === pid || (parents.has(one) && isOf(parents.get(one)!))
  return [...parents.keys()].filter(isOf).reduce((sum, one) => sum + cpuMicros(one), 0)
}

function median (values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)]!
}
