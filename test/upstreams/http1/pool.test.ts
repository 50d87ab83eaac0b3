import { setImmediate as nextTurn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { ClientLeftError, DrainingError, TargetUnreachableError } from '../../../src/errors.js'
import type { UpstreamOptions } from '../../../src/options/index.js'
import type { Target } from '../../../src/upstreams/target.js'
import { Upstream } from '../../../src/upstreams/upstream.js'
import { startGateway } from '../../helpers/gateway.js'
import { rawTarget, type RawTarget } from '../../helpers/raw-target.js'
import { sendTo } from '../../helpers/target-request.js'
import { Wire } from '../../helpers/wire.js'

async function start (t: Test, options: Partial<UpstreamOptions> = {}): Promise<{ server: RawTarget, target: Target }> {
  const server = await rawTarget(t)
  const [target] = new Upstream('app', { ...options, targets: [server.url] }).targets
  t.teardown(() => target!.endpoint.close())
  return { server, target: target! }
}

async function answerWith (wire: Wire, lines: string[] = []): Promise<string> {
  const { start } = await wire.head()
  wire.write(['HTTP/1.1 200 OK', 'Content-Length: 2', ...lines, '', 'ok'].join('\r\n'))
  return start
}

t.test('a connection carries one request after another', async t => {
  const { server, target } = await start(t)
  const first = sendTo(target, { path: '/1' })
  const wire = await server.next()
  t.equal(await answerWith(wire), 'GET /1 HTTP/1.1')
  t.match(await first.answer, { status: 200, body: 'ok' })
  await nextTurn()
  const second = sendTo(target, { path: '/2' })
  t.equal(await answerWith(wire), 'GET /2 HTTP/1.1')
  await second.answer
  t.equal(server.connections, 1)
})

t.test('a request does not wait for the response to another, and the connection that was used last is used first', async t => {
  const { server, target } = await start(t)
  const first = sendTo(target, { path: '/1' })
  const wires = [await server.next()]
  const second = sendTo(target, { path: '/2' })
  wires.push(await server.next())
  await answerWith(wires[0]!)
  await first.answer
  await answerWith(wires[1]!)
  await second.answer
  await nextTurn()
  const third = sendTo(target, { path: '/3' })
  t.equal(await answerWith(wires[1]!), 'GET /3 HTTP/1.1')
  await third.answer
  t.equal(server.connections, 2)
})

t.test('a connection is not used again behind a response that says so', async t => {
  const lines: Record<string, string[]> = {
    'Connection: close': ['Connection: close'],
    'Connection with close among others': ['Connection: x, Close'],
    'a time that is over by then': ['Keep-Alive: timeout=1']
  }
  for (const [name, headers] of Object.entries(lines)) {
    const { server, target } = await start(t)
    const { answer } = sendTo(target)
    const wire = await server.next()
    await answerWith(wire, headers)
    await answer
    await wire.over()
    const next = sendTo(target)
    await answerWith(await server.next())
    t.match(await next.answer, { status: 200 }, name)
  }
})

t.test('a connection is kept as long as the target says, less a second', async t => {
  const { server, target } = await start(t)
  const { answer } = sendTo(target)
  const wire = await server.next()
  await answerWith(wire, ['Keep-Alive: max=5, timeout=2'])
  await answer
  // Until it is looked for no timer but the pool's is set, and that one keeps no process alive.
  await wire.over()
  t.equal(server.connections, 1)
})

t.test('a connection that the target ends while nobody uses it is not used again', async t => {
  const { server, target } = await start(t)
  for (const end of ['end', 'reset'] as const) {
    const { answer } = sendTo(target)
    const wire = await server.next()
    await answerWith(wire)
    await answer
    wire[end]()
    if (end === 'end') await wire.over()
    else await wire.gone()
  }
  await nextTurn()
  const { answer } = sendTo(target)
  await answerWith(await server.next())
  t.match(await answer, { status: 200 })
  t.equal(server.connections, 3)
})

t.test('a request that is cancelled while its connection is made sends nothing', async t => {
  const { server, target } = await start(t)
  const { exchange, answer } = sendTo(target)
  t.notOk(exchange.sent)
  exchange.cancel(new ClientLeftError())
  await t.rejects(answer, ClientLeftError)
  exchange.cancel(new ClientLeftError())
  const next = sendTo(target, { path: '/next' })
  for (;;) {
    const wire = await server.next()
    await wire.some()
    if (wire.length === 0) continue
    t.equal(await answerWith(wire), 'GET /next HTTP/1.1')
    break
  }
  await next.answer
})

t.test('a request that is cancelled before its response takes its connection along', async t => {
  const { server, target } = await start(t)
  const { exchange, answer } = sendTo(target)
  const wire = await server.next()
  await wire.head()
  t.ok(exchange.sent)
  exchange.cancel(new ClientLeftError())
  await t.rejects(answer, ClientLeftError)
  await wire.over()
  wire.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno')
  const next = sendTo(target, { path: '/next' })
  await answerWith(await server.next())
  t.match(await next.answer, { body: 'ok' })
})

t.test('a retired target ends its requests, and keeps no connection', async t => {
  const { server, target } = await start(t)
  const idle = sendTo(target)
  const first = await server.next()
  const busy = sendTo(target)
  const second = await server.next()
  await answerWith(first)
  await idle.answer
  target.endpoint.retire()
  await first.over()
  await answerWith(second)
  t.match(await busy.answer, { status: 200 })
  await second.over()
})

t.test('a closed target ends its requests with an error, at any stage', async t => {
  const { server, target } = await start(t)
  const sent = sendTo(target)
  const wire = await server.next()
  await wire.head()
  const dialling = sendTo(target)
  const failed = [sent, dialling].map(({ answer }) => t.rejects(answer, DrainingError))
  target.endpoint.close()
  const late = sendTo(target)
  await Promise.all([...failed, t.rejects(late.answer, DrainingError)])
  await wire.over()
})

t.test('what cannot be a header sends nothing, and is told after the call', async t => {
  const { server, target } = await start(t)
  for (const headers of [['a b', 'x'], ['a', 'x\r\ny: z'], ['', 'x'], ['a', '\u0100']]) {
    let told = false
    const { answer } = sendTo(target, { headers })
    const refused = t.rejects(answer, TargetUnreachableError).then(() => { told = true })
    t.notOk(told)
    await refused
  }
  t.equal(server.connections, 0)
})

t.test('a connection that is refused', async t => {
  const { server, target } = await start(t)
  await new Promise(resolve => server.server.close(resolve))
  const { answer, exchange } = sendTo(target)
  await t.rejects(answer, TargetUnreachableError)
  t.notOk(exchange.sent)
})

t.test('listeners do not add up on a connection', async t => {
  const warnings: Error[] = []
  const onWarning = (warning: Error): void => { warnings.push(warning) }
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  const { server, target } = await start(t)
  let wire: Wire | undefined
  for (let index = 0; index < 30; index++) {
    const { answer } = sendTo(target, { method: 'POST', headers: ['Content-Length', '4'], body: ['body'] })
    wire ??= await server.next()
    await wire.head()
    await wire.bytes(4)
    wire.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    await answer
    await nextTurn()
  }
  await nextTurn()
  t.same(warnings, [])
  t.equal(server.connections, 1)
})

const POST = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody'
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

t.test('a connection that its target ends right behind a response carries no other request', async t => {
  const target = await rawTarget(t)
  const { port } = await startGateway(t, { targets: [target.url] })
  const [first, second] = [await Wire.connect(t, port), await Wire.connect(t, port)]
  first.write(POST)
  const server = await target.next()
  await server.head()
  await server.bytes(4)
  // In one turn of the event loop: the gateway meets the request before the end of the connection.
  server.write(OK).end()
  second.write(POST)
  const another = await target.next()
  another.write(OK)
  for (const client of [first, second]) t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
})

t.test('one that its target keeps carries the next', async t => {
  const target = await rawTarget(t)
  const { port } = await startGateway(t, { targets: [target.url] })
  const client = await Wire.connect(t, port)
  client.write(POST)
  const server = await target.next()
  for (let count = 0; count < 5; count++) {
    await server.head()
    await server.bytes(4)
    server.write(OK)
    t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
    await client.bytes(2)
    client.write(POST)
  }
  t.equal(target.connections, 1)
})
