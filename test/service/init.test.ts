import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Writable } from 'node:stream'
import t from 'tap'
import { main } from '../../src/service/main.js'
import { routesTable } from '../../src/service/routes-table.js'
import { temporaryFolder } from '../helpers/temporary-folder.js'

async function run (directory: string, ...argv: string[]): Promise<{ code: number, stdout: string, stderr: string }> {
  const output = { stdout: '', stderr: '' }
  const into = (name: 'stdout' | 'stderr') => new Writable({ write: (chunk, _encoding, done) => { output[name] += String(chunk); done() } })
  const code = await main({ argv, environment: {}, directory, stdout: into('stdout'), stderr: into('stderr') })
  return { code, ...output }
}

t.test('init writes a file that is valid, says what to do next, and overwrites none', async t => {
  const directory = await temporaryFolder(t)
  t.match(await run(directory, 'init'), { code: 0, stdout: /^Wrote sluice\.yaml\. .*\n {2}sluice check sluice\.yaml\n {2}sluice\n$/ })
  t.match(await run(directory, 'check'), { code: 0, stdout: /is valid: 1 route\(s\), 1 upstream\(s\)\.\n$/ })
  const text = await readFile(join(directory, 'sluice.yaml'), 'utf8')
  const [, schema] = /^# yaml-language-server: \$schema=(.*)\n/.exec(text)!
  t.match(JSON.parse(await readFile(resolve(directory, schema!), 'utf8')), { title: 'sluice.yaml' })
  t.match(await run(directory, 'init'), { code: 1, stderr: /^sluice: sluice\.yaml: there is such a file already/ })
  t.equal(await readFile(join(directory, 'sluice.yaml'), 'utf8'), text)
  t.match(await run(directory, 'init', 'other.yaml'), { code: 0, stdout: /sluice --config other\.yaml/ })
  t.match(await run(directory, 'init', 'no/folder.yaml'), { code: 1, stderr: /there is no such folder/ })
  t.match(await run(directory, 'init', '--port', '1'), { code: 2, stderr: /'sluice init' takes no option '--port'/ })
})

t.test('what is commented out in it is valid, too', async t => {
  const directory = await temporaryFolder(t)
  await run(directory, 'init')
  const text = await readFile(join(directory, 'sluice.yaml'), 'utf8')
  const all = text.replace(/^( *)# (?=(?:- | {2}|workers:))/gm, '$1')
  t.not(all, text)
  const { parseConfig } = await import('../../src/service/config-file.js')
  const { config } = parseConfig(all, 'sluice.yaml', false)
  t.equal(config.routes!.length, 3)
  t.equal(config.workers, 'auto')
  t.match(config.upstreams, { app: { targets: ['http://127.0.0.1:5173', 'http://127.0.0.1:5174'] } })
})

t.test('routes lists what results', async t => {
  const directory = t.testdir({
    'sluice.yaml': `upstreams:
  app: { targets: [http://127.0.0.1:1, http://127.0.0.1:2] }
routes:
  - { url: /api/*, upstream: app, method: [GET, HEAD] }
  - { url: /*, upstream: http://127.0.0.1:3, websocket: true, constraints: { host: a.example } }
`
  })
  const { code, stdout } = await run(directory, 'routes')
  t.equal(code, 0)
  t.equal(stdout, `URL     METHODS   WEBSOCKET  ONLY             UPSTREAM            TARGETS
/api/*  GET,HEAD  no                          app                 http://127.0.0.1:1, http://127.0.0.1:2
/*      all       yes        host: a.example  http://127.0.0.1:3
`)
  t.equal(routesTable([], []), 'There are no routes.')
  t.match(await run(directory, 'routes', 'none.yaml'), { code: 1, stderr: /none\.yaml: cannot be read/ })
})

t.test('check names upstreams that nobody uses', async t => {
  const directory = t.testdir({ 'sluice.yaml': 'upstreams: { a: { targets: [http://a] }, b: { targets: [http://b] } }\nroutes: [{ url: /, upstream: a }]\nlisten: [{ port: 1 }, { port: 2 }]\n' })
  t.match(await run(directory, 'check'), { code: 0, stdout: /is valid: 1 route\(s\), 2 upstream\(s\), 2 listeners\.\nNo route uses 'b'\.\n$/ })
})
