import { AsyncLocalStorage } from 'node:async_hooks'
import { constants, deflateRawSync } from 'node:zlib'
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { drop, type MessageOptions, type WebSocketMessage, type WebSocketSession } from '../../../src/index.js'
import { checkEnd } from '../../helpers/gateway.js'
import { openHooked, endByClient, endByGateway } from '../../helpers/hooked-session.js'
import { closing, frame, masked } from '../../helpers/wire.js'

// What hooks may rely on, case by case.

const DEFLATE = { headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' }, answer: ['Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover'] }

function deflated (text: string | Buffer): Buffer {
  return deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)
}

t.test('onClose hears the Close of a side that has no hooks, once', async t => {
  for (const hooks of [{}, { fromClient () {} }, { fromTarget () {} }] as MessageOptions[]) {
    const closes: unknown[] = []
    const session = await openHooked(t, { onClose: (code, reason, _session, from) => { closes.push([code, reason, from]) }, ...hooks })
    await endByClient(t, session)
    t.same(closes, [[1000, '', 'client'], [1000, '', 'target']], Object.keys(hooks).join())
  }
})

t.test('hooks run in the async context of their handshake', async t => {
  const storage = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  const session = await openHooked(t, {
    fromClient () { seen.push(storage.getStore()) },
    fromTarget: async () => { await turn(); seen.push(storage.getStore()) },
    onClose () { seen.push(storage.getStore()) }
  }, {}, { before: app => { app.addHook('onRequest', (_request, _reply, done) => storage.run('the request', done)) } })
  const { client, server } = session
  client.write(masked(0x81, 'x'))
  await server.frame()
  server.write(frame(0x81, 'y'))
  await client.frame()
  await endByClient(t, session)
  t.same(seen, Array(4).fill('the request'))
})

t.test('what one hook does to the bytes of a message, no other hook sees', async t => {
  const seen: string[] = []
  const session = await openHooked(t, {
    fromClient: [
      ({ data }) => { data.fill('!') },
      message => { seen.push(message.data.toString(), message.text!); message.data.fill('?') },
      ({ data, text }) => { seen.push(data.toString(), text!); data.fill('#') }
    ]
  })
  const { client, server } = session
  client.write(masked(0x81, 'text'))
  t.equal((await server.frame()).payload.toString(), 'text')
  t.same(seen, ['text', 'text', 'text', 'text'])
  await endByClient(t, session)
})

t.test('hooks begin in the order of their messages, also where one takes longer to decompress', async t => {
  const seen: number[] = []
  const session = await openHooked(t, { maxSize: 20_000_000, fromClient ({ data }) { seen.push(data.length) } }, {}, DEFLATE)
  const { client, server } = session
  const long = masked(0xc2, deflated(Buffer.alloc(15_000_000)))
  const short = masked(0x81, 'short')
  const bytes = Buffer.concat([short, long, short, masked(0xc1, deflated('compressed')), long, short])
  client.write(bytes)
  t.ok((await server.bytes(bytes.length)).equals(bytes))
  t.same(seen, [5, 15_000_000, 5, 10, 15_000_000, 5])
  await endByClient(t, session)
})

t.test('behind a message that is refused when it has been decompressed, no hook is called', async t => {
  const seen: string[] = []
  const session = await openHooked(t, { maxSize: 20_000_000, async fromClient ({ text }) { seen.push(text!) } }, {}, DEFLATE)
  const { client, server } = session
  client.write(Buffer.concat([masked(0x81, 'before'), masked(0xc1, deflated(Buffer.alloc(15_000_000, 0xff))), masked(0x81, 'behind')]))
  t.equal((await server.frame()).payload.toString(), 'before')
  t.equal(await server.close(), '1007')
  t.equal(await client.close(), '1007 a text message that is not UTF-8')
  server.write(frame(0x88, closing(1007))).end()
  client.end()
  await checkEnd(t, session, { by: 'client', reason: 'protocol-error', code: 1007 })
  t.same(seen, ['before'])
})

t.test('a Close of the gateway is not lost behind a message that is refused later', async t => {
  const session = await openHooked(t, { maxSize: 20_000_000, fromClient () {} }, { closeTimeout: 60_000 }, DEFLATE)
  const { client, server, gateway } = session
  client.write(masked(0xc1, deflated(Buffer.alloc(15_000_000, 0xff))))
  while (gateway.app.gateway.sessions.list()[0]!.fromClient.messages === 0) await turn()
  const drained = gateway.app.gateway.drain()
  t.equal(await server.close(), '1012')
  t.equal(await client.close(), '1012')
  client.write(masked(0x88, closing(1012))).end()
  server.write(frame(0x88, closing(1012))).end()
  await drained
})

t.test('what stands behind the last block of a compressed message, and no hook could see, is refused', async t => {
  const whole = deflateRawSync('hello')
  for (const [payload, expected] of [
    [whole, undefined],
    // RFC 7692 §7.2.3.4.
    [Buffer.concat([whole, Buffer.from([0])]), undefined],
    [Buffer.concat([whole, deflated(' world')]), '1007 a message that cannot be decompressed'],
    [Buffer.concat([whole, Buffer.from('junk')]), '1007 a message that cannot be decompressed']
  ] as const) {
    const texts: string[] = []
    const { client, server, gateway } = await openHooked(t, { fromClient ({ text }) { texts.push(text!) } }, {}, DEFLATE)
    const bytes = masked(0xc1, payload)
    client.write(bytes)
    if (expected === undefined) {
      t.ok((await server.bytes(bytes.length)).equals(bytes))
      t.same(texts, ['hello'])
      client.reset()
    } else {
      t.equal(await client.close(), expected)
      t.same(texts, [])
      client.end()
    }
    await server.over()
    server.end()
    await gateway.ended()
  }
})

t.test('a hook that ends the session and goes on does not hold its Close back, and may even throw', async t => {
  for (const after of [() => new Promise<void>(() => {}), async () => { throw new Error('no') }, () => { throw new Error('no') }]) {
    const session = await openHooked(t, {
      timeout: 60_000,
      fromClient (_message, session) {
        session.close(1008, 'not here')
        return after()
      }
    }, { closeTimeout: 60_000 })
    const { client, server } = session
    server.write(frame(0x01, 'half'))
    await client.frame()
    client.write(masked(0x81, 'x'))
    t.equal(await server.close(), '1008 not here')
    server.write(frame(0x80, 'way'))
    t.equal((await client.frame()).payload.toString(), 'way', 'what was open is not cut off')
    t.equal(await client.close(), '1008 not here')
    client.write(masked(0x88, closing(1008))).end()
    server.write(frame(0x88, closing(1008))).end()
    await checkEnd(t, session, { by: 'gateway', reason: 'application', code: 1008 })
  }
})

t.test('a later hook that ends the session does not wait for earlier ones, and nothing goes on behind what is dropped', async t => {
  const session = await openHooked(t, {
    timeout: 60_000,
    async fromClient ({ text }, session) {
      if (text === 'end') session.close(4000)
      else await new Promise(() => {})
    }
  }, { closeTimeout: 60_000 })
  const { client } = session
  client.write(Buffer.concat([masked(0x81, 'waits'), masked(0x89, 'p'), masked(0x81, 'end')]))
  await endByGateway(t, session, { server: '4000', client: '4000' }, { by: 'gateway', reason: 'application', code: 4000 })
})

t.test('a hook sends to both sides: what it sends comes before its message', async t => {
  const session = await openHooked(t, {
    fromClient ({ text }, session) {
      if (text === 'plain') return
      t.equal(session.send('target', 'to the target'), true)
      t.equal(session.send('client', 'to the client'), true)
      return text === 'drop' ? drop : undefined
    },
    fromTarget: async (_message, session) => {
      await turn()
      session.send('client', 'first')
    }
  })
  const { client, server } = session
  client.write(Buffer.concat(['plain', 'send', 'plain', 'drop'].map(text => masked(0x81, text))))
  const got: string[] = []
  for (let index = 0; index < 5; index++) got.push((await server.frame()).payload.toString())
  t.same(got, ['plain', 'to the target', 'send', 'plain', 'to the target'])
  for (let index = 0; index < 2; index++) t.equal((await client.frame()).payload.toString(), 'to the client')
  server.write(frame(0x81, 'x'))
  t.same([(await client.frame()).payload.toString(), (await client.frame()).payload.toString()], ['x', 'first'], 'behind the message that is being looked at')
  await endByClient(t, session)
})

t.test('the data of a message may be kept, and the message itself only where its data has been read, or its hook is async', async t => {
  const kept: WebSocketMessage[] = []
  const data: Buffer[] = []
  const session = await openHooked(t, {
    fromClient: message => {
      kept.push(message)
      if (kept.length === 1) data.push(message.data)
      return kept.length === 3 ? turn().then(() => { data.push(message.data) }) : undefined
    }
  })
  const { client, server } = session
  for (const byte of [1, 2, 3, 4]) client.write(masked(0x82, Buffer.from([byte, byte])))
  for (let count = 0; count < 4; count++) await server.frame()
  t.same(data, [Buffer.from([1, 1]), Buffer.from([3, 3])])
  t.same(kept[0]!.data, Buffer.from([1, 1]))
  t.throws(() => kept[1]!.data, { name: 'TypeError', message: /must be read before its hook returns/ })
  t.same(kept[2]!.data, Buffer.from([3, 3]))
  await endByClient(t, session)
})

t.test('a hook may return anything that can be waited for', async t => {
  const thenable = { then (resolve: (value: string) => void) { resolve('thenable') } } as PromiseLike<string>
  const session = await openHooked(t, { fromClient: [() => thenable as Promise<string>, ({ text }) => `${text}!`] })
  session.client.write(masked(0x81, 'x'))
  t.equal((await session.server.frame()).payload.toString(), 'thenable!')
  await endByClient(t, session)
})

t.test('a session whose hook takes its time is not idle', async t => {
  let settle: (() => void) | undefined
  const session = await openHooked(t, { fromClient: () => new Promise(resolve => { settle = () => resolve(undefined) }) }, { idleTimeout: 60, pingInterval: false })
  const { client, server } = session
  client.write(masked(0x81, 'x'))
  await pause(200)
  t.equal(session.gateway.app.gateway.sessions.size, 1)
  settle!()
  t.equal((await server.frame()).payload.toString(), 'x')
  await endByGateway(t, session, { server: '1001', client: '1001' }, { by: 'gateway', reason: 'idle', code: 1001 })
})

t.test('a session that ends while hooks are under way: what they return, send or throw later goes nowhere', async t => {
  const late: Array<() => void> = []
  let sent: boolean | undefined
  let bothHaveBegun: () => void
  const begun = new Promise<void>(resolve => { bothHaveBegun = resolve })
  const session = await openHooked(t, {
    timeout: 60_000,
    fromClient: ({ text }, session: WebSocketSession) => new Promise((resolve, reject) => {
      late.push(() => {
        sent = session.send('target', 'late')
        session.close(1000)
        if (text === 'throw') reject(new Error('late'))
        else resolve('changed')
      })
      if (late.length === 2) bothHaveBegun()
    })
  })
  const { client, server } = session
  client.write(Buffer.concat(['throw', 'change'].map(text => masked(0x81, text))))
  await begun
  server.write(frame(0x88, closing(4001))).end()
  t.equal(await client.close(), '4001')
  client.write(masked(0x88, closing(4001))).end()
  await checkEnd(t, session, { by: 'target', reason: 'close', code: 4001 })
  for (const settle of late) settle()
  await turn()
  t.equal(sent, false)
})
