import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { runHttpProxySuite } from './http-proxy.js'
import { counts, outcome, parse, type Results } from './results.js'

/*
 * Runs test suites of others twice, directly and with every client connection sent through the gateway, or with the
 * module under test replaced by ours, and compares test by test. README.md says how to get the suites, and lists the
 * tests that may differ.
 */

interface Suite { name: string, folder: string, node: string[], mocha: string[], certificate: string, key: string, env?: Record<string, string> }

const HERE = fileURLToPath(new URL('./', import.meta.url))
/** How long a run of a suite may take, in milliseconds. */
const LIMIT = 60_000

const { WS_SUITE, ENGINE_IO_SUITE, HTTP_PROXY_SUITE } = process.env
const engineIo = {
  folder: ENGINE_IO_SUITE!,
  node: [],
  mocha: ['--exit', 'test/engine.io.js', 'test/server.js', 'test/middlewares.js', 'test/parser.js'],
  certificate: 'test/fixtures/server.crt',
  key: 'test/fixtures/server.key'
}
const suites: Suite[] = [
  ...(WS_SUITE
    ? [{
        name: 'ws',
        folder: WS_SUITE,
        node: ['--throw-deprecation'],
        mocha: ['test/websocket.test.js', 'test/websocket-server.test.js'],
        certificate: 'test/fixtures/certificate.pem',
        key: 'test/fixtures/key.pem'
      }]
    : []),
  ...(ENGINE_IO_SUITE
    ? [
        { name: 'engine.io', ...engineIo },
        { name: 'engine.io, client of version 3', ...engineIo, env: { EIO_CLIENT: '3' } }
      ]
    : [])
]

const temporary = mkdtempSync(join(tmpdir(), 'sluice-suites-'))
try {
  if (suites.length === 0 && !HTTP_PROXY_SUITE) throw new Error('Set WS_SUITE, ENGINE_IO_SUITE or HTTP_PROXY_SUITE to a folder: see test/e2e/suites/README.md')
  let unexplained = 0
  for (const suite of suites) unexplained += report(suite.name, 'through the gateway', await runBothWays(suite))
  if (HTTP_PROXY_SUITE) unexplained += report('@fastify/http-proxy', 'with sluice/http-proxy', await runHttpProxySuite(HTTP_PROXY_SUITE, temporary))
  process.exitCode = unexplained === 0 ? 0 : 1
} finally {
  rmSync(temporary, { recursive: true })
}

/** Runs a suite of mocha directly and through the gateway. */
async function runBothWays (suite: Suite): Promise<{ direct: Results, through: Results }> {
  const direct = await run(suite)
  const through = await withGateway(suite, async ports => {
    const env = { NODE_OPTIONS: `--import=${pathToFileURL(join(HERE, 'through-gateway.mjs'))}`, GATEWAY_PORTS: ports }
    // What a failing test leaves open would keep mocha from its end.
    const results = await run(suite, env, ['--exit'])
    // An error after a test's end is its second result.
    for (const [title, error] of [...results]) {
      const test = title.replace(/ \(\d+\)$/, '')
      if (direct.has(title) || !direct.has(test)) continue
      results.delete(title)
      if (error !== undefined) results.set(test, error)
    }
    // One that fails may leave behind what makes others fail, or keeps them from being run. So each is run again, alone.
    for (const title of direct.keys()) {
      if (outcome(results, title) === 'passed') continue
      const alone = await run(suite, env, ['--exit', '--grep', `^${title.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')}$`], 15_000)
      results.delete(title)
      for (const error of alone.values()) results.set(title, results.get(title) ?? error)
    }
    return results
  })
  return { direct, through }
}

/** Prints the differences, and gives the number of those that README.md does not list. */
function report (name: string, way: string, { direct, through }: { direct: Results, through: Results }): number {
  const listed = new Set(listedDifferences())
  let unexplained = 0
  console.log(`\n${name}: directly ${counts(direct)}; ${way} ${counts(through)}, counting those run again alone`)
  for (const title of new Set([...direct.keys(), ...through.keys()])) {
    const [before, after] = [outcome(direct, title), outcome(through, title)]
    // A hook has a result only where it fails.
    if ((before === 'passed') === (after === 'passed') && !(before === 'not run' && after !== 'passed')) continue
    const known = listed.has(title)
    if (!known) unexplained++
    console.log(`${known ? 'listed' : 'NOT LISTED'}: ${title}\n  directly ${before}; ${way} ${after}`)
  }
  return unexplained
}

/** The titles in the tables of README.md. */
function listedDifferences (): string[] {
  return [...readFileSync(join(HERE, 'README.md'), 'utf8').matchAll(/^\| (`{1,2}) ?(.+?) ?\1 \|/gm)].map(([, , title]) => title!)
}

async function run (suite: Suite, env: Record<string, string> = {}, options: string[] = [], limit = LIMIT): Promise<Results> {
  const results = join(temporary, 'results')
  writeFileSync(results, '')
  // Not its command, which starts this as a child when it is given options of Node.
  const mocha = join(dirname(createRequire(join(suite.folder, 'package.json')).resolve('mocha/package.json')), 'lib/cli/cli.js')
  const child = spawn(process.execPath, [...suite.node, mocha, '--reporter', join(HERE, 'reporter.cjs'), ...suite.mocha, ...options], {
    cwd: suite.folder,
    env: { ...process.env, RESULTS: results, ...suite.env, ...env },
    stdio: ['ignore', process.env.VERBOSE ? 'inherit' : 'ignore', 'inherit'],
    timeout: limit,
    killSignal: 'SIGKILL'
  })
  const [code, signal] = await once(child, 'exit') as [number | null, string | null]
  if (code === null) console.log(`${suite.name} ${options.join(' ')}: mocha ended with ${signal}; its limit is ${limit / 1000} s`)
  return parse(readFileSync(results, 'utf8'))
}

/** Runs a function while a gateway of its own runs, given its ports as JSON. */
async function withGateway<T> (suite: Suite, work: (ports: string) => Promise<T>): Promise<T> {
  const files = [suite.certificate, suite.key].map(file => join(suite.folder, file))
  for (const file of files) if (!existsSync(file)) throw new Error(`${file} is missing: is it a checkout of ${suite.name}?`)
  const gateway = fork(join(HERE, 'gateway.ts'), files, {
    execArgv: ['--import=tsx'],
    // The targets have certificates of tests.
    env: { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: '0', NODE_NO_WARNINGS: '1' }
  })
  const ended = once(gateway, 'exit')
  const failure = ended.then(([code, signal]) => { throw new Error(`the gateway ended with ${code ?? signal}`) })
  failure.catch(() => {}) // After the work, it ends.
  try {
    const [ports] = await Promise.race([once(gateway, 'message'), failure])
    return await Promise.race([work(JSON.stringify(ports)), failure])
  } finally {
    if (gateway.connected) gateway.disconnect()
    await ended
  }
}
