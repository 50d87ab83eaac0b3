import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer, type Server } from 'node:http'
import { createServer } from 'node:https'
import { dirname, join } from 'node:path'
import Fastify, { LogController } from 'fastify'
import t, { type Test } from 'tap'
import ts from 'typescript'
import { WebSocketServer } from 'ws'
import { parse } from 'yaml'
import sluice from '../../src/index.js'
import { echoBackend, listen, type Seen } from '../helpers/backends.js'
import { selfSigned } from '../helpers/certificates.js'
import { otlpReceiver } from '../helpers/otlp-receiver.js'
import { closed, nextMessage, openSocket } from '../helpers/sockets.js'
import { blocksOf, PAGES, ROOT, type Block } from './markdown.js'

/*
 * Every example of the README and of docs/ runs.
 *
 * The comment before a fenced block binds it to a scenario: <!-- test: program get:/page ws:/chat -->. The
 * words behind the scenario are probes, made while the example runs:
 *
 *   get:/a         GET /a is answered with 200
 *   get:/a>/b      and the target was asked for /b
 *   ws:/a          a WebSocket at /a echoes
 *   lost:/a        and still does when the target has lost its connection
 *   status:/a=401  GET /a, without credentials, is answered with 401
 *   stop           SIGTERM ends it with exit code 0, and a WebSocket with 1012
 *
 * The examples run as they stand but for ports: targets are replaced by a backend that echoes, and the
 * gateway's port by a free one. 'sluice' is the package itself, as built by `npm run build`.
 */

/** Kinds of blocks that hold nothing to run. */
const NOT_RUN = ['text', 'nginx']

/** The text of all tests with real peers. */
const PEER_TESTS = readdirSync(`${ROOT}test/e2e/peers`, { encoding: 'utf8' }).filter(name => name.endsWith('.ts')).map(name => readFileSync(`${ROOT}test/e2e/peers/${name}`, 'utf8')).join('\n')

type Scenario = (t: Test, block: Block) => Promise<void>

const scenarios: Record<string, Scenario> = {
  /** A whole program. */
  program: async (t, block) => {
    await runProgram(t, block, block.code)
  },

  /** Lines for an app that has the gateway, before it listens. */
  fragment: async (t, block) => {
    await runProgram(t, block, asProgram(block))
  },

  /** A configuration file, served by the command. */
  config: async (t, block) => {
    const backend = await echoBackend(t)
    const directory = directoryOf(t, { 'sluice.yaml': withTargets(block.code, backend.url) })
    const service = runService(t, ['--config', 'sluice.yaml'], directory, { APP_PORT: String(backend.port) })
    await probe(t, service, block.probes, backend.sockets)
  },

  /** What `sluice routes` prints of the first configuration file of the page. */
  routes: async (t, block) => {
    const config = blocksOf(block.page).find(({ scenario }) => scenario === 'config')!.code
    const service = run(t, [`${ROOT}dist/src/service/cli.js`, 'routes'], { cwd: directoryOf(t, { 'sluice.yaml': config }) })
    t.equal(await service.ended, 0, service.output.stderr)
    t.equal(service.output.stdout, block.code)
  },

  /** A configuration file with certificates beside it: it is checked, and not served. */
  listeners: async (t, block) => {
    const { cert, key } = await selfSigned(t)
    const service = runService(t, ['check', '--config', 'sluice.yaml'], directoryOf(t, { 'sluice.yaml': block.code, 'certificate.pem': cert, 'key.pem': key }))
    t.equal(await service.ended, 0, service.output.stderr)
  },

  /** A configuration file that names what is not there in a test: it is checked, and not served. Schemas that it names are probes. */
  check: async (t, block) => {
    const schemas = Object.fromEntries(block.probes.map(name => [name, '{ "type": "object" }']))
    const service = runService(t, ['check', '--config', 'sluice.yaml'], directoryOf(t, { 'sluice.yaml': block.code, ...schemas }))
    t.equal(await service.ended, 0, service.output.stderr)
  },

  /** A file of tests for Node's own runner, beside the app of the page. */
  'node-test': async (t, block) => {
    const files = blocksOf(block.page).filter(({ scenario }) => scenario?.startsWith('testing/'))
    const directory = directoryOf(t, { 'example.test.js': block.code, ...Object.fromEntries(files.map(({ scenario, code }) => [scenario!.slice(8), code])) })
    const tests = run(t, ['--test-reporter=tap', '--test', 'example.test.js'], { cwd: directory })
    t.equal(await tests.ended, 0, tests.output.stdout + tests.output.stderr)
    t.match(tests.output.stdout, /^# pass [1-9]/m)
  },

  /** What test/e2e/peers runs with the real peer (test/helpers/recipe.ts). */
  peer: async (t, block) => {
    const [name] = block.probes
    t.ok(PEER_TESTS.includes(`'${name}'`), `a test of test/e2e/peers runs '${name}'`)
    if (block.language !== 'yaml') return
    const service = runService(t, ['check', '--config', 'sluice.yaml'], directoryOf(t, { 'sluice.yaml': block.code }))
    t.equal(await service.ended, 0, service.output.stderr)
  },

  /** A step of the tour, which test/e2e/install/first-hour.test.ts makes. */
  'first-hour': async (t, block) => {
    t.equal(block.page, 'docs/getting-started.md')
  },

  /** A configuration of the service with an admin listener. */
  admin: async (t, block) => {
    const backend = await echoBackend(t)
    await probe(t, runService(t, ['--config', 'sluice.yaml'], directoryOf(t, { 'sluice.yaml': withFreeAdmin(withTargets(block.code, backend.url)) })), ['get:/page', 'ws:/chat'])
  },

  /** Requests to the admin listener of the first configuration of the page: their responses are good. */
  curl: async (t, block) => {
    const backend = await echoBackend(t)
    const config = blocksOf(block.page).find(({ scenario }) => scenario === 'admin')!.code
    const service = runService(t, ['--config', 'sluice.yaml'], directoryOf(t, { 'sluice.yaml': withFreeAdmin(withTargets(config, backend.url)) }))
    const [, admin] = await service.written(/Admin listener at (http:[^"\s]+)/)
    for (const command of block.code.trim().split('\n')) {
      const [, method = 'GET'] = /-X (\w+)/.exec(command) ?? []
      const [, body] = /-d '(.*?)'/.exec(command) ?? []
      const [, path] = /http:\/\/127\.0\.0\.1:9901(\S*)$/.exec(command)!
      const response = await fetch(admin + path!, { method, ...body !== undefined && { body: withTargets(body, backend.url), headers: { 'content-type': 'application/json' } } })
      t.equal(response.status, 200, `${command}: ${await response.text()}`)
    }
  },

  /** A configuration of Prometheus: it collects from where the first configuration of the page has the admin listener. */
  prometheus: async (t, block) => {
    const { scrape_configs: [config] } = parse(block.code) as { scrape_configs: Array<{ job_name: string, static_configs: Array<{ targets: string[] }> }> }
    const { admin } = parse(blocksOf(block.page).find(({ scenario }) => scenario === 'admin')!.code) as { admin: { host: string, port: number } }
    t.strictSame(config!.static_configs[0]!.targets, [`${admin.host}:${admin.port}`])
    t.equal(config!.job_name, 'sluice', 'as the alerts expect it')
  },

  /** What registers the SDK of OpenTelemetry, before the service starts that has the first configuration of the page. */
  tracing: async (t, block) => {
    const [backend, receiver] = [await echoBackend(t), await otlpReceiver(t)]
    const config = blocksOf(block.page).find(({ scenario }) => scenario === 'config')!.code
    const directory = directoryOf(t, { 'tracing.js': block.code, 'package.json': '{ "type": "module" }', 'sluice.yaml': withTargets(config, backend.url) })
    const service = runService(t, ['--config', 'sluice.yaml'], directory, { NODE_OPTIONS: '--import ./tracing.js', OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url })
    await probe(t, service, ['get:/page', 'ws:/chat', 'stop'])
    for (const name of ['GET /*', 'GET', 'WebSocket /*']) t.ok(receiver.spans.some(span => span.name === name), name)
  },

  /** The same with a target that wants TLS: its certificate is for app.example alone, and so is the gateway's. */
  tls: async (t, block) => {
    const { cert, key } = await selfSigned(t, 'DNS:app.example')
    const backend = await listen(t, createServer({ cert, key, ca: cert, requestCert: true, rejectUnauthorized: true }, (_request, response) => { response.end() }))
    echoSockets(t, backend.server)
    const directory = directoryOf(t, {
      'sluice.yaml': block.code.replace(/https:[^\]]+/, backend.url.replace('http', 'https')),
      'certificates/ca.pem': cert,
      'certificates/gateway.pem': cert,
      'certificates/gateway-key.pem': key
    })
    await probe(t, runService(t, ['--config', 'sluice.yaml'], directory), block.probes)
  },

  /** A wrong configuration file; the next block is what the command says about it. */
  'config-error': async (t, block) => {
    const blocks = blocksOf(block.page)
    const output = blocks[blocks.findIndex(({ line }) => line === block.line) + 1]!
    t.equal(output.scenario, 'output')
    const service = runService(t, ['--config', 'sluice.yaml'], directoryOf(t, { 'sluice.yaml': block.code }))
    t.equal(await service.ended, 1)
    t.equal(service.output.stderr, output.code)
  },

  output: async (t, block) => {
    const blocks = blocksOf(block.page)
    t.equal(blocks[blocks.findIndex(({ line }) => line === block.line) - 1]?.scenario, 'config-error', 'it has been compared')
  },

  /** Commands. `sluice` and `npm start` run, beside the first configuration file of the page; other npm commands exist. */
  shell: async (t, block) => {
    const backend = await echoBackend(t)
    const config = blocksOf(block.page).find(({ scenario }) => scenario === 'config')?.code ?? ''
    const directory = directoryOf(t, { 'sluice.yaml': withTargets(config, backend.url) })
    for (const command of commandsOf(block)) {
      const { environment, args } = serviceCommand(t, withTargets(command, backend.url))
      if (args === undefined) continue
      const service = runService(t, args, directory, environment)
      await probe(t, service, ['get:/', 'ws:/echo', 'stop'])
    }
  },

  /** A command that runs beside the files of the same page, which are bound to their paths. */
  folders: async (t, block) => {
    const backend = await echoBackend(t)
    const files = blocksOf(block.page).filter(({ scenario }) => scenario?.includes('/') === true)
    const directory = directoryOf(t, Object.fromEntries(files.map(({ scenario, code }) => [scenario!, withTargets(code, backend.url)])))
    for (const command of commandsOf(block)) {
      await probe(t, runService(t, serviceCommand(t, withTargets(command, backend.url)).args!, directory), block.probes)
    }
  },

  /** A connection to the demo by wscat. */
  wscat: async (t, block) => {
    const service = runService(t, [], directoryOf(t, {}))
    const [, , , url] = block.code.trim().split(' ')
    t.match(block.code, /^npx wscat -c ws:/)
    const { pathname } = new URL(url!)
    const wscat = run(t, ['node_modules/wscat/bin/wscat', '-c', `ws://127.0.0.1:${await service.port}${pathname}`, '-x', 'hello', '-w', '1'], { cwd: ROOT })
    await wscat.ended
    t.match(wscat.output.stdout, 'hello')
  },

  /** The response that a target which is down makes of a request. */
  'error-answer': async (t, block) => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(sluice)
    app.proxy('/', { upstream: 'http://127.0.0.1:1' })
    t.same(JSON.parse(block.code), (await app.inject('/')).json())
  },

  /** The log line of a session: hello, its echo, and a Close from the client. */
  'session-line': async (t, block) => {
    const backend = await echoBackend(t)
    const { url, nextLine } = await loggedApp(t, backend.url, '/')
    const ended = nextLine('websocket session ended')
    const socket = await openSocket(url)
    socket.send('hello')
    await nextMessage(socket)
    socket.close(1000)
    const line = await ended
    const shown = JSON.parse(block.code)
    const { time, pid, hostname, upstream, timings } = shown
    const { duration, target, id } = shown.session
    t.same({ ...line, time, pid, hostname, upstream, timings, req: shown.req, session: { ...line.session, duration, target, id } }, shown)
    t.same([typeof line.session.duration, typeof line.session.id, line.session.target], ['number', 'string', backend.url])
    t.same([Object.keys(line.req), Object.keys(line.timings)], [Object.keys(shown.req), Object.keys(timings)])
  },

  /** The log line of a request. */
  'request-line': async (t, block) => {
    const backend = await listen(t, createHttpServer((_request, response) => { response.end('ok') }))
    const { url, nextLine } = await loggedApp(t, backend.url, '/*')
    const ended = nextLine('request completed')
    await (await fetch(`${url}/page`)).text()
    const line = await ended
    const shown = JSON.parse(block.code)
    const { time, pid, hostname, responseTime, timings, target } = shown
    t.same({ ...line, time, pid, hostname, responseTime, timings, target, req: shown.req }, shown)
    t.same([typeof line.responseTime, line.target], ['number', backend.url])
    t.same([Object.keys(line.req), Object.keys(line.timings)], [Object.keys(shown.req), Object.keys(timings)])
  }
}

/** An app with an access log, and the next line of it with a message. */
async function loggedApp (t: Test, target: string, route: string): Promise<{ url: string, nextLine: (message: string) => Promise<any> }> {
  const lines = new EventEmitter()
  const app = Fastify({ logController: new LogController({ disableRequestLogging: true }), logger: { level: 'info', stream: { write: line => { lines.emit(JSON.parse(line).msg, JSON.parse(line)) } } } })
  t.teardown(() => app.close())
  await app.register(sluice, { accessLog: true })
  app.upstream('app', { targets: [target] })
  app.proxy(route, { upstream: route === '/' ? target : 'app', websocket: true })
  const url = await app.listen({ port: 0 })
  return { url, nextLine: async message => (await once(lines, message))[0] }
}

const blocks = PAGES.flatMap(blocksOf)

t.setTimeout(480_000) // Each example is a process of its own.

t.jobs = 4
for (const block of blocks) {
  const where = `${block.page}:${block.line}`
  if (block.scenario === undefined) {
    t.ok(NOT_RUN.includes(block.language), `${where} is bound to a scenario: a comment <!-- test: … --> before it, or a language of ${NOT_RUN.join(', ')}`)
    continue
  }
  // A file for the scenario 'folders'.
  if (block.scenario.includes('/')) continue
  const scenario = scenarios[block.scenario]
  if (scenario === undefined) t.fail(`${where}: there is no scenario '${block.scenario}'`)
  else t.test(where.replaceAll(/\W+/g, ' '), { buffered: true }, t => scenario(t, block))
}

t.test('the examples in TypeScript have no type errors', { buffered: true }, async t => {
  const programs = blocks.filter(({ scenario, language }) => scenario === 'program' || scenario === 'fragment' || (scenario === 'peer' && language === 'ts'))
  const names = programs.map(({ page, line }) => `${page.replaceAll(/\W/g, '-')}-${line}.ts`)
  const directory = directoryOf(t, Object.fromEntries(programs.map((block, index) => [names[index]!, asProgram(block)])))
  const { options } = ts.parseJsonConfigFileContent(ts.readConfigFile(`${ROOT}tsconfig.json`, ts.sys.readFile).config, ts.sys, ROOT)
  const program = ts.createProgram(names.map(name => join(directory, name)), { ...options, noEmit: true })
  const diagnostics = program.getSourceFiles()
    .filter(({ fileName }) => fileName.startsWith(directory))
    .flatMap(file => ts.getPreEmitDiagnostics(program, file))
  t.equal(ts.formatDiagnostics(diagnostics, { getCanonicalFileName: name => name, getCurrentDirectory: () => directory, getNewLine: () => '\n' }), '')
})

// ---- Text

/** The text of a TypeScript block as a program: what a fragment leaves out stands around it. */
function asProgram ({ scenario, code }: Block): string {
  return scenario !== 'fragment'
    ? code
    : `import Fastify from 'fastify'
import sluice from 'sluice'

const app = Fastify()
await app.register(sluice)

${code}
await app.listen({ port: 8080 })
`
}

function withTargets (text: string, url: string): string {
  return text.replace(/http:\/\/127\.0\.0\.1:(?!8080)\d+/g, url)
}

/** With an admin listener on a free port. */
function withFreeAdmin (text: string): string {
  return text.replace(/admin: (?:true|\{.*?\})/, 'admin: { port: 0 }')
}

function commandsOf ({ code }: Block): string[] {
  return code.split(/\n|&&/).map(command => command.trim()).filter(command => command !== '')
}

/** Takes a command of the service apart. Without `args` it is another one, which exists. */
function serviceCommand (t: Test, command: string): { environment: Record<string, string>, args?: string[] } {
  const words = command.split(' ')
  const environment: Record<string, string> = {}
  while (/^[A-Z_]+=/.test(words[0]!)) {
    const [name, value] = words.shift()!.split('=') as [string, string]
    environment[name] = name === 'PORT' ? '0' : value
  }
  const { scripts, bin } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'))
  const [program, word] = words
  if (program === 'sluice') {
    t.ok(bin.sluice.endsWith('dist/src/service/cli.js'))
    return { environment, args: words.slice(1) }
  }
  t.equal(program, 'npm', `'${command}' is a command that the test knows`)
  if (word === 'ci') return { environment }
  t.ok(word! in scripts, `there is a script '${word}'`)
  if (word !== 'start') return { environment }
  t.equal(scripts.start, 'node dist/src/service/cli.js') // It is the command `sluice`.
  return { environment, args: words.slice(3) }
}

// ---- Programs

interface Running {
  /** The gateway's port, once it listens. */
  port: Promise<number>
  output: { stdout: string, stderr: string }
  /** What it has written to its standard output, once it has. */
  written (pattern: RegExp): Promise<RegExpExecArray>
  ended: Promise<number | null>
  stop (): void
}

/** Echoes the WebSockets of a server. */
function echoSockets (t: Test, server: Server): void {
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', socket => { socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })) })
  t.teardown(() => { for (const socket of sockets.clients) socket.terminate() })
}

function directoryOf (t: Test, files: Record<string, string>): string {
  // Inside the repository, so that imports find the package and its dependencies.
  const directory = t.testdir({})
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(join(directory, path), text)
  }
  return directory
}

async function runProgram (t: Test, block: Block, code: string): Promise<void> {
  const backend = await echoBackend(t)
  const text = withTargets(code, backend.url).replace('port: 8080', 'port: 0')
  // Node starts sooner without a loader that compiles, and there are many of them. Types have a test of their own.
  const [file, runnable] = block.language === 'js' ? ['example.cjs', text] : ['example.mjs', ts.transpile(text, { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 })]
  const directory = directoryOf(t, { [file]: runnable })
  await probe(t, run(t, [join(directory, file)], { cwd: ROOT }), block.probes, backend.sockets)
}

function runService (t: Test, args: string[], cwd: string, environment: Record<string, string> = {}): Running {
  const withoutPort = args.filter((arg, index) => arg !== '--port' && args[index - 1] !== '--port')
  const port = 'PORT' in environment ? [] : ['--port', '0']
  return run(t, [`${ROOT}dist/src/service/cli.js`, ...withoutPort, ...port], { cwd, environment })
}

function run (t: Test, args: string[], { cwd, environment }: { cwd: string, environment?: Record<string, string> }): Running {
  const child = spawn(process.execPath, [`--import=${ROOT}test/docs/report-address.mjs`, ...args], {
    cwd,
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['pipe', 'pipe', 'pipe', 'ipc']
  })
  const output = { stdout: '', stderr: '' }
  child.stdout!.setEncoding('utf8').on('data', (text: string) => { output.stdout += text })
  child.stderr!.setEncoding('utf8').on('data', (text: string) => { output.stderr += text })
  const ended = once(child, 'close').then(([code]) => code as number | null)
  t.teardown(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await ended
  })
  const written = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const found = pattern.exec(output.stdout)
      if (found !== null) return found
      await once(child.stdout!, 'data')
    }
  }
  const port = Promise.race([
    once(child, 'message').then(([message]) => (message as { port: number }).port),
    // The primary of several workers does not listen itself.
    written(/Server listening at http:\/\/\S+:(\d+) with/).then(([, port]) => Number(port)),
    ended.then(code => { throw new Error(`it ended with ${code} before it listened: ${output.stdout}${output.stderr}`) })
  ])
  port.catch(() => {}) // Whoever waits for the port hears of it.
  return { port, output, written, ended, stop: () => { child.kill('SIGTERM') } }
}

/** @param atTarget What the target has open. */
async function probe (t: Test, running: Running, probes: string[], atTarget?: WebSocketServer): Promise<void> {
  const url = `http://127.0.0.1:${await running.port}`
  const headers = { authorization: 'Bearer token' }
  for (const text of probes) {
    const [kind, argument = ''] = text.split(/:(.*)/s)
    const [path, wanted] = argument.split(kind === 'status' ? '=' : '>')
    switch (kind) {
      case 'get': {
        const answer = await fetch(url + path, { headers })
        t.equal(answer.status, 200, text)
        const body = await answer.text()
        if (wanted !== undefined) t.equal((JSON.parse(body) as Seen).url, wanted, text)
        break
      }
      case 'status': {
        const answer = await fetch(url + path)
        t.equal(answer.status, Number(wanted), text)
        await answer.text()
        break
      }
      case 'ws': {
        const socket = await openSocket(url + path, [], { headers })
        socket.send('hello')
        t.equal(await nextMessage(socket), 'hello', text)
        socket.terminate()
        break
      }
      case 'lost': {
        const socket = await openSocket(url + path, [], { headers })
        for (const session of atTarget!.clients) session.terminate()
        const echoed = new Promise<void>(resolve => {
          socket.on('message', (data: Buffer) => { if (data.toString() === 'hello') resolve() })
        })
        // The first may be sent before the gateway has noticed.
        const again = setInterval(() => socket.send('hello'), 100)
        await echoed
        clearInterval(again)
        t.equal(socket.readyState, socket.OPEN, text)
        socket.terminate()
        break
      }
      case 'stop': {
        const socket = await openSocket(`${url}/echo`, [], { headers })
        const end = closed(socket)
        running.stop()
        t.equal((await end).code, 1012, 'a WebSocket is sent 1012')
        t.equal(await running.ended, 0, 'SIGTERM ends it with 0')
        break
      }
      default: t.fail(`there is no probe '${text}'`)
    }
  }
}
