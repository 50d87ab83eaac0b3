import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import type { Exchange, WebSocketSession } from '../../src/index.js'
import { checkEnd, startGateway } from '../helpers/gateway.js'
import { handshake } from '../helpers/raw-client.js'
import { goodResponse, rawTarget } from '../helpers/raw-target.js'
import { QUICK, accept, lost, open } from '../helpers/reconnect.js'
import { Wire, closing, frame, masked, valuesOf, type Head } from '../helpers/wire.js'

t.test('a target that is lost is replaced, and the client does not notice', async t => {
  const session = await open(t, {}, {}, { headers: { 'Sec-WebSocket-Protocol': 'chat', 'X-Own': '1', Cookie: 'a=b' }, answer: ['Sec-WebSocket-Protocol: chat'] })
  const { client, server, target, gateway, request } = session
  client.write(masked(0x81, 'one'))
  t.equal((await server.frame()).payload.toString(), 'one')
  server.reset()
  await lost(session)
  client.write(masked(0x81, 'two'))
  const next = await accept(target, ['Sec-WebSocket-Protocol: chat'])
  t.equal(next.request.start, request.start)
  const withoutKey = ({ headers }: Head) => headers.filter(([name]) => name.toLowerCase() !== 'sec-websocket-key')
  t.same(withoutKey(next.request), withoutKey(request), 'the same headers')
  t.not(valuesOf(next.request, 'sec-websocket-key')[0], valuesOf(request, 'sec-websocket-key')[0], 'a key of its own')
  t.equal((await next.server.frame()).payload.toString(), 'two')
  next.server.write(frame(0x81, 'answer'))
  t.equal((await client.frame()).payload.toString(), 'answer')
  t.equal(gateway.app.gateway.sessions.list()[0]!.reconnects, 1)
  client.write(masked(0x88, closing(1000)))
  t.equal(await next.server.close(), '1000')
  next.server.write(frame(0x88, closing(1000))).end()
  t.equal(await client.close(), '1000')
  client.end()
  await checkEnd(t, { ...session, server: next.server }, { by: 'client', reason: 'close', code: 1000, reconnects: 1 })
  t.match(gateway.log.find(({ msg }) => msg === 'websocket session reconnected'), { route: '/*', upstream: 'main', attempt: 1, target: target.url })
})

t.test('a Close with a code of the list is answered, and another target takes over; any other ends the session', async t => {
  for (const code of [1001, 1012, 1014]) {
    const session = await open(t)
    const { client, server, target } = session
    server.write(frame(0x88, closing(code, 'restart')))
    t.equal(await server.close(), String(code))
    await server.over()
    server.end()
    const next = await accept(target)
    next.server.write(frame(0x81, 'here'))
    t.equal((await client.frame()).payload.toString(), 'here')
    next.server.write(frame(0x88, closing(4004, 'over')))
    t.equal(await client.close(), '4004 over')
    client.write(masked(0x88, closing(4004))).end()
    t.equal(await next.server.close(), '4004')
    next.server.end()
    await checkEnd(t, { ...session, server: next.server }, { by: 'target', reason: 'close', code: 4004, reconnects: 1 })
  }
})

t.test('what the client sends meanwhile is kept up to bufferSize, then it is not read', async t => {
  const session = await open(t, { bufferSize: 10_000, delay: 100, jitter: 0 })
  const { client, server, target, gateway } = session
  server.reset()
  await lost(session)
  const size = 1000
  const count = 8000
  for (let index = 0; index < count; index++) client.write(masked(0x82, Buffer.alloc(size, index)))
  const next = await accept(target)
  const [live] = gateway.app.gateway.sessions.list()
  t.ok(live!.fromClient.bytes < 300_000, `${live!.fromClient.bytes} bytes were read`)
  for (let index = 0; index < count; index++) {
    const { payload } = await next.server.frame()
    if (payload.length !== size || payload[0] !== (index & 0xff)) return t.fail(`message ${index} is not what it was`)
  }
  client.reset()
  await next.server.over()
  next.server.end()
  await gateway.ended()
})

t.test('a message that the client was sending goes to the new target whole; one that was cut for the client goes nowhere', async t => {
  const session = await open(t)
  const { client, server, target, gateway } = session
  client.write(masked(0x01, 'first half'))
  server.write(frame(0x01, 'half a message for the client'))
  server.write(frame(0x00, ' and more').subarray(0, 4))
  while (gateway.app.gateway.sessions.list()[0]!.fromTarget.frames < 2) await pause(1)
  server.reset()
  const next = await accept(target)
  client.write(masked(0x80, ', second half'))
  t.equal((await next.server.frame()).payload.toString(), 'first half')
  t.equal((await next.server.frame()).payload.toString(), ', second half')
  next.server.write(frame(0x81, 'whole'))
  t.match(await client.frame(), { first: 0x81, payload: Buffer.from('whole') })
  client.reset()
  next.server.end()
  await gateway.ended()
})

t.test('a message beyond bufferSize is relayed as it comes: cut for the client it ends the session, cut for the target its rest is dropped', async t => {
  const big = Buffer.alloc(50_000, 7)
  await t.test('for the client', async t => {
    const session = await open(t, { bufferSize: 10_000 })
    const { client, server } = session
    server.write(frame(0x82, big).subarray(0, 20_000))
    await client.bytes(20_000)
    server.reset()
    await client.over()
    client.end()
    await session.gateway.ended()
    t.match(session.gateway.ends[0], { by: 'target', reason: 'lost', code: 1006, reconnects: 0 })
  })
  await t.test('for the target', async t => {
    const session = await open(t, { bufferSize: 10_000 })
    const { client, server, target } = session
    const bytes = masked(0x82, big)
    client.write(bytes.subarray(0, 20_000))
    await server.bytes(20_000)
    server.reset()
    const next = await accept(target)
    client.write(Buffer.concat([bytes.subarray(20_000), masked(0x81, 'next')]))
    t.equal((await next.server.frame()).payload.toString(), 'next')
    client.reset()
    next.server.end()
    await session.gateway.ended()
  })
})

t.test('a Ping is answered while there is no target, and a Close ends the session', async t => {
  const session = await open(t, { delay: 60_000, maxDelay: 60_000 })
  const { client, server, gateway } = session
  server.reset()
  await lost(session)
  client.write(masked(0x89, 'there?'))
  t.match(await client.frame(), { opcode: 10, payload: Buffer.from('there?') })
  client.write(masked(0x88, closing(4001, 'bye')))
  t.equal(await client.close(), '4001 bye')
  client.end()
  await gateway.ended()
  await gateway.idle()
  t.match(gateway.ends[0], { by: 'client', reason: 'close', code: 4001 })
})

t.test('a client that leaves while there is no target ends the attempts', async t => {
  for (const way of ['end', 'reset'] as const) {
    const session = await open(t, { delay: 60_000, maxDelay: 60_000 })
    const { client, server, gateway } = session
    server.reset()
    await lost(session)
    client[way]()
    await gateway.ended()
    t.match(gateway.ends[0], { by: 'client', reason: 'lost', code: 1006 })
    client.end()
    await gateway.idle()
  }
})

t.test('when no target accepts, the session ends as it would have', async t => {
  await t.test('lost', async t => {
    const session = await open(t)
    session.target.server.close()
    session.server.reset()
    await session.client.over()
    session.client.end()
    await session.gateway.ended()
    t.match(session.gateway.ends[0], { by: 'target', reason: 'lost', code: 1006, closeSent: { client: undefined } })
    t.match(session.gateway.log.find(({ msg }) => msg === 'websocket session could not be reconnected'), { level: 40, attempt: 3 })
  })
  await t.test('closed', async t => {
    const session = await open(t)
    const { client, server, target, gateway } = session
    target.server.close()
    server.write(frame(0x88, closing(1012, 'restart')))
    t.equal(await client.close(), '1012 restart')
    client.write(masked(0x88, closing(1012))).end()
    server.end()
    await gateway.ended()
    t.match(gateway.ends[0], { by: 'target', reason: 'close', code: 1012 })
  })
  await t.test('with a lossCode', async t => {
    const session = await open(t, {}, { lossCode: 1011 })
    session.target.server.close()
    session.server.reset()
    t.equal(await session.client.close(), '1011')
    session.client.write(masked(0x88, closing(1011))).end()
    await session.gateway.ended()
  })
})

t.test('a target that refuses for good, or chooses another subprotocol or other extensions, ends the session at once', async t => {
  const answers: Array<(request: Head) => string> = [
    () => 'HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n',
    request => goodResponse(request, ['Sec-WebSocket-Protocol: b']),
    request => goodResponse(request),
    request => goodResponse(request, ['Sec-WebSocket-Protocol: a', 'Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover'])
  ]
  for (const answer of answers) {
    const session = await open(t, { attempts: 1000 }, {}, { headers: { 'Sec-WebSocket-Protocol': 'a, b', 'Sec-WebSocket-Extensions': 'permessage-deflate' }, answer: ['Sec-WebSocket-Protocol: a'] })
    const { client, server, target, gateway } = session
    server.reset()
    const next = await target.next()
    next.write(answer(await next.head()))
    await client.over()
    client.end()
    next.end()
    await gateway.ended()
    t.match(gateway.ends[0], { by: 'target', reason: 'lost', reconnects: 0 })
  }
})

t.test('a target that is busy is asked again', async t => {
  const session = await open(t)
  const { client, server, target, gateway } = session
  server.reset()
  const busy = await target.next()
  await busy.head()
  busy.write('HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n').end()
  const next = await accept(target)
  next.server.write(frame(0x81, 'here'))
  t.equal((await client.frame()).payload.toString(), 'here')
  client.reset()
  next.server.end()
  await gateway.ended()
})

t.test('onReconnect sends the first messages to the new target, and is waited for', async t => {
  const heard: unknown[] = []
  const session = await open(t, {
    async onReconnect (session, attempt) {
      heard.push([session.request.headers['x-token'], attempt])
      session.send('target', 'auth')
      await pause(20)
      session.send('target', 'subscribe')
    }
  }, {}, { headers: { 'X-Token': 'me' } })
  const { client, server, target, gateway } = session
  server.reset()
  await lost(session)
  client.write(masked(0x81, 'kept'))
  const next = await accept(target)
  for (const text of ['auth', 'subscribe', 'kept']) t.equal((await next.server.frame()).payload.toString(), text)
  t.same(heard, [['me', 1]])
  client.reset()
  next.server.end()
  await gateway.ended()
})

t.test('another target of the upstream takes the session, and its load counts there', async t => {
  const [first, second] = [await rawTarget(t), await rawTarget(t)]
  const gateway = await startGateway(t, { targets: [first.url, { url: second.url, priority: 1 }], route: { websocket: { closeTimeout: 200, reconnect: QUICK } } })
  const session = await open(t, {}, {}, { on: { gateway, target: first } })
  const { client, server } = session
  const { upstreams, sessions } = gateway.app.gateway
  const loads = () => upstreams.get('main')!.targets.map(({ sessions }) => sessions)
  t.same(loads(), [1, 0])
  first.server.close()
  server.reset()
  const next = await accept(second)
  next.server.write(frame(0x81, 'here'))
  t.equal((await client.frame()).payload.toString(), 'here')
  t.same(loads(), [0, 1])
  t.equal(sessions.list()[0]!.target, second.url)
  client.reset()
  next.server.end()
  await gateway.ended()
  t.same(loads(), [0, 0])
  t.equal(gateway.ends[0]!.target, second.url)
})

t.test('drain and maintenance of a target, new targets and rebalance() move sessions without their noticing', async t => {
  const moves: Record<string, (gateway: { upstreams: { get (name: string): { setTarget: Function, setTargets: Function, rebalance: Function } | undefined } }, urls: [string, string]) => void> = {
    drain: ({ upstreams }, [first]) => upstreams.get('main')!.setTarget(first, { state: 'drain' }),
    maintenance: ({ upstreams }, [first]) => upstreams.get('main')!.setTarget(first, { state: 'maintenance' }),
    'other targets': ({ upstreams }, [, second]) => upstreams.get('main')!.setTargets([second])
  }
  for (const [name, move] of Object.entries(moves)) {
    await t.test(name, async t => {
      const [first, second] = [await rawTarget(t), await rawTarget(t)]
      const gateway = await startGateway(t, { targets: [first.url, { url: second.url, priority: 1 }], plugin: { drainSpread: 1 }, route: { websocket: { closeTimeout: 200, reconnect: QUICK } } })
      const session = await open(t, {}, {}, { on: { gateway, target: first } })
      const { client, server } = session
      move(gateway.app.gateway as never, [first.url, second.url])
      t.equal(await server.close(), '1012')
      // What it sends before its own Close still counts.
      server.write(Buffer.concat([frame(0x81, 'last words'), frame(0x88, closing(1012))])).end()
      t.equal((await client.frame()).payload.toString(), 'last words')
      client.write(masked(0x81, 'hello'))
      const next = await accept(second)
      t.equal((await next.server.frame()).payload.toString(), 'hello')
      await gateway.app.close()
    })
  }
})

t.test('a target that is drained and has no other to go to keeps its sessions', async t => {
  const session = await open(t)
  const { client, server, target, gateway } = session
  gateway.app.gateway.upstreams.get('main')!.setTarget(target.url, { state: 'drain' })
  client.write(masked(0x81, 'still here'))
  t.equal((await server.frame()).payload.toString(), 'still here')
  client.reset()
  server.end()
  await gateway.ended()
})

t.test('a drain of the gateway ends a session that is without a target', async t => {
  const session = await open(t, { delay: 60_000, maxDelay: 60_000 })
  const { client, server, gateway } = session
  server.reset()
  await lost(session)
  const drained = gateway.app.gateway.drain()
  t.equal(await client.close(), '1012')
  client.write(masked(0x88, closing(1012))).end()
  await drained
  t.match(gateway.ends[0], { by: 'gateway', reason: 'drain', code: 1012 })
})

t.test('hooks and reconnect work together', async t => {
  const seen: string[] = []
  let opened: WebSocketSession | undefined
  const session = await open(t, {}, { messages: { fromClient: async ({ text }: { text?: string }) => { seen.push(text!); await pause(5); return `${text}!` } }, onSession: (session: WebSocketSession) => { opened = session } })
  const { client, server, target, gateway } = session
  client.write(masked(0x81, 'one'))
  t.equal((await server.frame()).payload.toString(), 'one!')
  server.reset()
  await lost(session)
  client.write(Buffer.concat([masked(0x81, 'two'), masked(0x81, 'three')]))
  const next = await accept(target)
  t.equal((await next.server.frame()).payload.toString(), 'two!')
  t.equal((await next.server.frame()).payload.toString(), 'three!')
  t.same(seen, ['one', 'two', 'three'])
  t.equal(opened!.target, target.url)
  client.reset()
  next.server.end()
  await gateway.ended()
})

t.test('a handshake of a client that was taken by no target is no session to reconnect', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], route: { websocket: { reconnect: QUICK } } })
  const client = await Wire.connect(t, gateway.port)
  client.write(handshake())
  const server = await target.next()
  await server.head()
  server.end()
  t.match((await client.head()).start, / 502 /)
})

t.test('a diagnostics channel tells of it, and of its failure', async t => {
  const heard: Array<{ target: string | undefined, attempt: number, error: string | undefined, reconnects: number }> = []
  const listener = (message: unknown): void => {
    const { exchange, attempt, error } = message as { exchange: Exchange, attempt: number, error: Error | undefined }
    heard.push({ target: exchange.targetUrl, attempt, error: error?.message, reconnects: (exchange.session as unknown as WebSocketSession).reconnects })
  }
  subscribe('sluice:session:reconnect', listener)
  t.teardown(() => unsubscribe('sluice:session:reconnect', listener))
  const session = await open(t)
  session.server.reset()
  const { server } = await accept(session.target)
  server.write(frame(0x81, 'here'))
  await session.client.frame()
  server.reset()
  const next = await session.target.next()
  next.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n')
  await session.client.over()
  session.client.end()
  next.end()
  await session.gateway.ended()
  t.same(heard, [
    { target: session.target.url, attempt: 1, error: undefined, reconnects: 0 },
    // It was lost before it had lasted as long as maxDelay.
    { target: session.target.url, attempt: 2, error: 'the target has refused the handshake with 403', reconnects: 1 }
  ])
})
