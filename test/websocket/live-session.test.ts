import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import type { EndReason, SessionEnd, WebSocketOptions, WebSocketSession } from '../../src/index.js'
import { Session } from '../../src/websocket/relay/relay.js'
import { checkClose } from '../../src/websocket/live-session.js'
import { echoBackend, gatewayApp } from '../helpers/backends.js'
import { checkEnd, openSession, type OpenSession } from '../helpers/gateway.js'
import { closed, nextMessage, openSocket } from '../helpers/sockets.js'
import { closing, frame, masked } from '../helpers/wire.js'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Both peers answer the Close that they are told, which is the same for both. */
async function answerClose (t: Test, { client, server }: OpenSession, told: string, code = Number(told.split(' ')[0])): Promise<void> {
  t.equal(await client.close(), told)
  t.equal(await server.close(), told)
  client.write(masked(0x88, closing(code)))
  server.write(frame(0x88, closing(code))).end()
  await client.over()
  client.end()
}

const open = (t: Test, websocket: WebSocketOptions, settings: Parameters<typeof openSession>[1] = {}) =>
  openSession(t, { route: { websocket: { closeTimeout: 60_000, ...websocket } }, ...settings })

t.test('onSession and onSessionEnd are called once each, with what there is to know', async t => {
  const calls: Array<[string, WebSocketSession, SessionEnd?]> = []
  const before = Date.now()
  const session = await open(t, {
    onSession: session => { calls.push(['open', session]) },
    onSessionEnd: (session, end) => { calls.push(['end', session, end]) }
  }, { headers: { 'Sec-WebSocket-Protocol': 'chat, other', 'X-User': 'me' }, answer: ['Sec-WebSocket-Protocol: chat'] })
  const { client, server, gateway, target } = session
  t.strictSame(calls.map(([name]) => name), ['open'])
  const live = calls[0]![1]
  t.match(live.id, UUID)
  t.equal(live.request.headers['x-user'], 'me')
  t.equal(live.request.ip, '127.0.0.1')
  t.equal(live.route, '/*')
  t.equal(live.upstream, 'main')
  t.equal(live.target, target.url)
  t.equal(live.subprotocol, 'chat')
  t.ok(live.openedAt instanceof Date && live.openedAt.getTime() >= before && live.openedAt.getTime() <= Date.now())
  t.strictSame([live.fromClient, live.fromTarget], [{ frames: 0, messages: 0, bytes: 0, stalled: 0 }, { frames: 0, messages: 0, bytes: 0, stalled: 0 }])

  client.write(masked(0x81, 'hello'))
  await server.frame()
  server.write(Buffer.concat([frame(0x89), frame(0x02, 'a'), frame(0x80, 'b')]))
  for (let count = 0; count < 3; count++) await client.frame()
  t.strictSame(live.fromClient, { frames: 1, messages: 1, bytes: 11, stalled: 0 }, 'the counters are live')
  t.strictSame(live.fromTarget, { frames: 3, messages: 1, bytes: 8, stalled: 0 })

  const { signal } = live
  t.equal(signal, live.signal, 'there is one signal')
  t.notOk(signal.aborted)
  client.write(masked(0x88, closing(1000, 'bye')))
  await server.close()
  t.notOk(signal.aborted, 'a session ends with its last socket')
  t.equal(calls.length, 1)
  server.write(frame(0x88, closing(1000))).end()
  await client.close()
  client.end()
  const counted = { fromClient: { frames: 2, messages: 1, bytes: 22, stalled: 0 }, fromTarget: { frames: 4, messages: 1, bytes: 12, stalled: 0 } }
  await checkEnd(t, session, { by: 'client', reason: 'close', code: 1000, ...counted })
  t.ok(signal.aborted)
  t.strictSame(calls.map(([name]) => name), ['open', 'end'])
  const [, ended, end] = calls[1]!
  t.equal(ended, live)
  t.strictSame(Object.keys(end!).sort(), ['by', 'closeSent', 'code', 'duration', 'fromClient', 'fromTarget', 'reason'])
  t.match(end, { by: 'client', reason: 'close', code: 1000, ...counted })
  t.ok(Number.isInteger(end!.duration))
  t.match(gateway.ends[0], { id: live.id, target: target.url, subprotocol: 'chat', ...end })
})

t.test('one structured log line a session', async t => {
  const session = await open(t, {})
  session.client.reset()
  session.server.reset()
  await session.gateway.ended()
  await session.gateway.idle()
  const lines = session.gateway.log.filter(({ msg }) => msg === 'websocket session ended')
  t.equal(lines.length, 1)
  const [line] = lines as unknown as [{ level: number, reqId: string, session: Record<string, unknown> }]
  t.equal(line.level, 30)
  t.type(line.reqId, 'string')
  t.strictSame(Object.keys(line.session), ['id', 'target', 'by', 'reason', 'code', 'closeSent', 'duration', 'fromClient', 'fromTarget'])
  t.match(line.session, { id: UUID, target: session.target.url, reason: 'lost', code: 1006, duration: Number, fromClient: { frames: 0, messages: 0, bytes: 0 } })
})

t.test('a signal that is asked for after the end is aborted', async t => {
  let live: WebSocketSession | undefined
  let seen: boolean | undefined
  const session = await open(t, { onSession: opened => { live = opened }, onSessionEnd: ended => { seen = ended.signal.aborted } })
  session.client.reset()
  session.server.reset()
  await session.gateway.ended()
  t.equal(live!.signal.aborted, true)
  t.equal(seen, true)
  t.doesNotThrow(() => live!.close(), 'close() is harmless then')
})

t.test('a signal tells code of the app of the end', async t => {
  const session = await open(t, { onSession: ({ signal }) => { signal.addEventListener('abort', () => { session.gateway.app.log.info('told') }) } })
  session.client.reset()
  session.server.reset()
  await session.gateway.ended()
  t.equal(session.gateway.log.filter(({ msg }) => msg === 'told').length, 1)
})

t.test('errors in the hooks are logged, and harmless', async t => {
  for (const fail of [() => { throw new Error('mine') }, async () => { throw new Error('mine') }]) {
    const session = await open(t, { onSession: fail, onSessionEnd: fail })
    session.client.write(masked(0x81, 'x'))
    t.equal((await session.server.frame()).opcode, 1)
    session.client.write(masked(0x88, closing(1000)))
    await session.server.close()
    session.server.write(frame(0x88, closing(1000))).end()
    await session.client.close()
    session.client.end()
    await checkEnd(t, session, { by: 'client', reason: 'close' })
    await new Promise(resolve => setImmediate(resolve))
    const failures = session.gateway.log.filter(({ msg }) => msg === 'a session hook failed')
    t.equal(failures.length, 2)
    t.match(failures[0], { level: 50, err: { message: 'mine' } })
  }
})

t.test('session.close() tells both, by itself 1000', async t => {
  for (const [args, told, code] of [[[], '1000', 1000], [[4001], '4001', 4001], [[1008, 'no more'], '1008 no more', 1008]] as Array<[[number?, string?], string, number]>) {
    const session = await open(t, {})
    const [live] = session.gateway.app.gateway.sessions.list()
    live!.close(...args)
    live!.close(4999, 'a second one is too late')
    await answerClose(t, session, told)
    await checkEnd(t, session, { by: 'gateway', reason: 'application', code })
  }
})

t.test('session.close() finishes an open message first', async t => {
  const session = await open(t, {})
  const { client, server } = session
  server.write(frame(0x01, 'half'))
  await client.frame()
  session.gateway.app.gateway.sessions.list()[0]!.close(4000)
  t.equal(await server.close(), '4000')
  server.write(Buffer.concat([frame(0x80, 'whole'), frame(0x81, 'too late'), frame(0x88, closing(4000))])).end()
  t.equal((await client.frame()).payload.toString(), 'whole')
  t.equal(await client.close(), '4000')
  client.write(masked(0x88, closing(4000))).end()
  await checkEnd(t, session, { reason: 'application' })
})

t.test('session.close() inside onSession', async t => {
  const ends: EndReason[] = []
  const session = await open(t, { onSession: session => session.close(4003, 'not you'), onSessionEnd: (_, { reason }) => { ends.push(reason) } })
  t.match(session.answer.start, / 101 /)
  await answerClose(t, session, '4003 not you')
  await checkEnd(t, session, { by: 'gateway', reason: 'application', code: 4003 })
  t.strictSame(ends, ['application'])
})

t.test('codes that may not stand on the wire, and reasons that are too long, throw', async t => {
  const session = await open(t, {})
  const { sessions } = session.gateway.app.gateway
  const [live] = sessions.list()
  for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 1000.5, NaN, -1, Infinity]) {
    t.throws(() => live!.close(code), { name: 'RangeError', message: /is not a valid close code: take one of/ })
    t.throws(() => sessions.close(code), { name: 'RangeError' })
  }
  t.throws(() => live!.close('1000' as never), { name: 'RangeError' })
  t.throws(() => live!.close(1000, '€'.repeat(42)), { name: 'RangeError', message: /123 bytes/ })
  for (const code of [1000, 1001, 1002, 1003, 1007, 1014, 3000, 4999]) t.doesNotThrow(() => checkClose(code, 'r'.repeat(123)))
  t.equal(sessions.size, 1, 'none of these has ended it')
  live!.close(1000, '€'.repeat(41))
  await answerClose(t, session, `1000 ${'€'.repeat(41)}`, 1000)
  await checkEnd(t, session, { reason: 'application' })
})

t.test('app.gateway.sessions lists, filters and closes', async t => {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  app.upstream('chat', { targets: [backend.url] })
  app.proxy('/chat/:room', { upstream: 'chat', websocket: true })
  app.proxy('/feed', { upstream: backend.url, websocket: true })
  const url = await app.listen({ port: 0 })
  const { sessions } = app.gateway
  t.equal(sessions.size, 0)
  t.strictSame(sessions.list(), [])
  t.equal(sessions.close(), 0)

  const a = await openSocket(`${url}/chat/a`)
  const b = await openSocket(`${url}/chat/b`)
  const feed = await openSocket(`${url}/feed`)
  t.equal(sessions.size, 3)
  t.strictSame(sessions.list().map(({ route }) => route).sort(), ['/chat/:room', '/chat/:room', '/feed'])
  t.equal(new Set(sessions.list().map(({ id }) => id)).size, 3)
  const inRoom = (room: string) => (session: WebSocketSession) => (session.request.params as { room?: string }).room === room
  t.equal(sessions.list(inRoom('a')).length, 1)
  t.equal(sessions.list(inRoom('a'))[0]!.upstream, 'chat')
  t.strictSame(sessions.list(inRoom('c')), [])

  const endOfA = closed(a)
  t.equal(sessions.close(4000, 'room a is over', inRoom('a')), 1)
  t.strictSame(await endOfA, { code: 4000, reason: 'room a is over' })
  b.send('still here')
  t.equal(await nextMessage(b), 'still here')
  const others = Promise.all([closed(b), closed(feed)])
  t.equal(sessions.close(1012), 2)
  t.strictSame(await others, [{ code: 1012, reason: '' }, { code: 1012, reason: '' }])
  while (sessions.size > 0) await new Promise(resolve => setImmediate(resolve))
  t.strictSame(sessions.list(), [])
})

// ---- A socket that is lost before the relay begins

/** A connection within this process: both its ends. */
async function pair (t: Test, server: Server): Promise<[near: Socket, far: Socket]> {
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const far = connect((server.address() as { port: number }).port, '127.0.0.1')
  const [[near]] = await Promise.all([accepted, once(far, 'connect')])
  for (const socket of [near, far]) socket.on('error', () => {})
  t.teardown(() => { near.destroy(); far.destroy() })
  return [near, far]
}

for (const lost of ['client', 'target', 'both'] as const) {
  t.test(`a session that begins with a socket destroyed (${lost}) ends once, when both are gone`, async t => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => { server.close() })
    const [client] = await pair(t, server)
    const [target] = await pair(t, server)
    if (lost !== 'target') client.destroy()
    if (lost !== 'client') target.destroy()
    const ends: SessionEnd[] = []
    const session = new Session({ client, target, allowedRsv: 0, closeTimeout: 50, onEnd: end => { ends.push(end) } })
    session.start()
    t.equal(ends.length, 0, 'not before start() has returned')
    await Promise.all([client, target].map(socket => new Promise(resolve => socket.once('close', resolve))))
    await new Promise(resolve => setImmediate(resolve))
    t.equal(ends.length, 1)
    t.match(ends[0], { reason: 'lost', code: 1006 })
  })
}
