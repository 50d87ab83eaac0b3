import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import t, { type Test } from 'tap'
import { echoBackend, httpBackend, type Seen } from '../helpers/backends.js'
import { startCommand, type Command } from '../helpers/command.js'
import { otlpReceiver, type OtlpReceiver } from '../helpers/otlp-receiver.js'
import { CLI } from '../helpers/outputs.js'
import { listeningUrl } from '../helpers/sluice-command.js'
import { closed, openSocket } from '../helpers/sockets.js'
import { temporaryFolder } from '../helpers/temporary-folder.js'

/*
 * Issue 11: spans of the built service arrive at an OTLP receiver.
 */

/** As docs/tracing.md shows it, whose own example runs in test/docs. */
const INSTRUMENTATION = `
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter(), { scheduledDelayMillis: Number(process.env.DELAY) })] }).register()
`

interface Service { command: Command, url: string, write (config: object): Promise<void> }

async function start (t: Test, config: object, receiver: Pick<OtlpReceiver, 'url'>, delay: number): Promise<Service> {
  const folder = t.testdir({ 'tracing.js': INSTRUMENTATION, 'package.json': '{ "type": "module" }' })
  const file = join(folder, 'sluice.yaml')
  const write = (config: object): Promise<void> => writeFile(file, stringify({ listen: { port: 0 }, ...config }))
  await write(config)
  const command = startCommand(t, process.execPath, ['--import', './tracing.js', CLI, '--config', file], {
    cwd: folder, env: { PATH: process.env.PATH, OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, DELAY: String(delay) }
  })
  return { command, url: await listeningUrl(command), write }
}

t.test('a request and a session', async t => {
  const receiver = await otlpReceiver(t)
  const backend = await echoBackend(t)
  const { url, command } = await start(t, { tracing: true, upstreams: { app: { targets: [backend.url] } }, routes: [{ url: '/app/*', upstream: 'app', websocket: true }] }, receiver, 10)
  const seen = await (await fetch(`${url}/app/page?token=secret`)).json() as Seen
  const request = await receiver.span('GET /app/*')
  const attempt = await receiver.span('GET')
  t.match(request, { scope: 'sluice', kind: 2, attributes: { 'http.response.status_code': 200, 'url.query': 'token=[redacted]', 'sluice.reason': 'complete' } })
  t.match(attempt, { kind: 3, parentSpanId: request.spanId, traceId: request.traceId, attributes: { 'sluice.target': backend.url } })
  t.equal(seen.headers.traceparent, `00-${request.traceId}-${attempt.spanId}-01`)
  const [line] = await command.output(/.*request completed.*/)
  t.match(JSON.parse(line), { trace_id: request.traceId, span_id: request.spanId })

  const socket = await openSocket(`${url}/app/chat`)
  socket.close(1000)
  await closed(socket)
  const session = await receiver.span('WebSocket /app/*')
  t.match(session.attributes, { 'sluice.by': 'client', 'sluice.reason': 'close', 'sluice.session.close_code': 1000 })
  const handshake = receiver.spans.find(({ spanId }) => spanId === session.parentSpanId)
  t.match(handshake, { name: 'GET /app/*', attributes: { 'http.response.status_code': 101 } })
})

t.test('what the stop ends is exported before the process ends', async t => {
  const receiver = await otlpReceiver(t)
  const backend = await echoBackend(t)
  const { url, command } = await start(t, { tracing: true, upstreams: { app: { targets: [backend.url] } }, routes: [{ url: '/*', upstream: 'app', websocket: true }] }, receiver, 600_000)
  const socket = await openSocket(url)
  const over = closed(socket)
  command.kill('SIGTERM')
  t.equal((await over).code, 1012)
  t.equal(await command.ended, 0)
  t.match(receiver.spans.find(({ name }) => name === 'WebSocket /*')?.attributes, { 'sluice.by': 'gateway', 'sluice.reason': 'drain', 'sluice.session.close_code': 1012 })
})

t.test('a receiver that never responds holds up the stop for a while, and not for ever', async t => {
  const { url: address } = await httpBackend(t, request => { request.resume() })
  const backend = await echoBackend(t)
  const { url, command } = await start(t, { tracing: true, upstreams: { app: { targets: [backend.url] } }, routes: [{ url: '/*', upstream: 'app' }] }, { url: address }, 600_000)
  await (await fetch(url)).text()
  command.kill('SIGTERM')
  t.equal(await command.ended, 0)
})

t.test('a reload switches it on, and off again', async t => {
  const receiver = await otlpReceiver(t)
  const backend = await echoBackend(t)
  const config = { upstreams: { app: { targets: [backend.url] } }, routes: [{ url: '/*', upstream: 'app', websocket: true }] }
  const { url, command, write } = await start(t, config, receiver, 10)
  const traceparent = async (): Promise<string | undefined> => (await (await fetch(url)).json() as Seen).headers.traceparent as string | undefined
  const reload = async (config: object, count: number): Promise<void> => {
    await write(config)
    command.kill('SIGHUP')
    await command.output(new RegExp(`(configuration reloaded[^]*){${count}}`))
  }
  t.equal(await traceparent(), undefined)
  await reload({ ...config, tracing: true }, 1)
  t.type(await traceparent(), 'string')
  await receiver.span('GET /*')
  const socket = await openSocket(url)
  await reload(config, 2)
  t.equal(await traceparent(), undefined)
  socket.close()
  await closed(socket)
  t.match((await receiver.span('WebSocket /*')).attributes, { 'sluice.reason': 'close' }, 'what had begun has kept its span')
})

t.test('OpenTelemetry is not installed: the service says so, and what to do', async t => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'sluice.yaml'), stringify({ tracing: true, upstreams: { app: { targets: ['http://127.0.0.1:9'] } }, routes: [{ url: '/*', upstream: 'app' }] }))
  // The package is there, so its loading is made to fail as Node has it fail.
  await writeFile(join(folder, 'absent.mjs'), `
import { register } from 'node:module'
register('data:text/javascript,' + encodeURIComponent(\`export async function resolve (specifier, context, next) {
  if (specifier === '@opentelemetry/api') throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' })
  return next(specifier, context)
}\`))`)
  const command = startCommand(t, process.execPath, ['--import', join(folder, 'absent.mjs'), CLI, '--config', join(folder, 'sluice.yaml')], { env: { PATH: process.env.PATH } })
  t.not(await command.ended, 0)
  t.match(command.stdout + command.stderr, /Option 'tracing': @opentelemetry\/api is not installed; run 'npm install @opentelemetry\/api'/)
})
