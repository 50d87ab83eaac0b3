import t from 'tap'
import { checkEnd, openSession } from '../helpers/gateway.js'
import { closing, frame, masked, type Frame, type Wire } from '../helpers/wire.js'

/** What a session's two sides are, seen from the one that sends. */
const SIDES = [
  { side: 'client', make: masked, other: frame },
  { side: 'target', make: frame, other: masked }
] as const

const open = (t: Parameters<typeof openSession>[0], websocket: object, settings: object = {}) =>
  openSession(t, { route: { websocket: { closeTimeout: 300, ...websocket } }, ...settings })

const text = ({ payload }: Frame) => payload.toString()

for (const { side, make, other } of SIDES) {
  const sides = ({ client, server }: { client: Wire, server: Wire }) => side === 'client' ? [client, server] as const : [server, client] as const

  /** Both are told 1009, and nothing more arrived before. */
  const checkTooBig = async (t: Parameters<typeof checkEnd>[0], session: Parameters<typeof checkEnd>[1], counted: object) => {
    const [sender, reader] = sides(session)
    t.equal(await reader.close(), '1009', 'the next that arrives is the Close')
    t.match(await sender.close(), /^1009 ./)
    reader.write(other(0x88, closing(1009))).end()
    sender.end()
    t.equal(await reader.rest(), '')
    await checkEnd(t, session, { by: side, reason: 'too-big', code: 1009, [side === 'client' ? 'fromClient' : 'fromTarget']: counted })
  }

  t.test(`maxFrameSize, from the ${side}: the limit passes, a byte more does not`, async t => {
    for (const limit of [1, 125, 126, 1000, 65_535, 70_000]) {
      const session = await open(t, { maxFrameSize: limit })
      const [sender, reader] = sides(session)
      sender.write(make(0x82, Buffer.alloc(limit, 1))).write(make(0x82, Buffer.alloc(limit, 2)))
      t.equal((await reader.frame()).payload.length, limit)
      t.equal((await reader.frame()).payload[0], 2)
      sender.write(Buffer.concat([make(0x82, Buffer.alloc(limit + 1)), make(0x81, 'x')]))
      await checkTooBig(t, session, { frames: 2, messages: 2 })
    }
  })

  t.test(`maxFrameSize, from the ${side}: only the length is needed`, async t => {
    const session = await open(t, { maxFrameSize: 1000 })
    const [sender] = sides(session)
    sender.write(Buffer.concat([make(0x81, 'good'), make(0x82, Buffer.alloc(70_000)).subarray(0, 14)]))
    t.equal(text(await sides(session)[1].frame()), 'good')
    await checkTooBig(t, session, { frames: 1 })
  })

  t.test(`maxFrameSize, from the ${side}: a message of several frames, and control frames`, async t => {
    const session = await open(t, { maxFrameSize: 2 })
    const [sender, reader] = sides(session)
    const good = Buffer.concat([make(0x01, 'ab'), make(0x89, 'a longer ping'), make(0x00, 'cd'), make(0x8a, Buffer.alloc(125)), make(0x80, 'ef')])
    sender.write(good)
    t.ok((await reader.bytes(good.length)).equals(good))
    const close = make(0x88, closing(1000, 'a reason'))
    sender.write(close)
    t.equal(await reader.close(), '1000 a reason')
    reader.write(other(0x88, closing(1000))).end()
    await sender.over().catch(() => {})
    sender.end()
    await session.gateway.ended()
    t.match(session.gateway.ends[0], { by: side, reason: 'close' })
  })

  t.test(`maxMessageSize, from the ${side}: over all frames of a message`, async t => {
    const session = await open(t, { maxMessageSize: 10 })
    const [sender, reader] = sides(session)
    const good = Buffer.concat([
      make(0x81, '0123456789'), make(0x01, '01234'), make(0x89, 'control frames do not count'), make(0x00), make(0x80, '56789'),
      make(0x82, '0123456789'), make(0x01, '01234')
    ])
    sender.write(good)
    t.ok((await reader.bytes(good.length)).equals(good))
    sender.write(make(0x80, '56789a'))
    await checkTooBig(t, session, { messages: 3 })
  })

  t.test(`maxMessageSize, from the ${side}: a frame alone that is longer`, async t => {
    const session = await open(t, { maxMessageSize: 10 })
    const [sender] = sides(session)
    sender.write(make(0x82, '0123456789a'))
    await checkTooBig(t, session, { frames: 0 })
  })

  t.test(`maxMessageSize, from the ${side}: of a compressed message, the size on the wire`, async t => {
    const extension = 'Sec-WebSocket-Extensions: permessage-deflate'
    const session = await open(t, { maxMessageSize: 10 }, { headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' }, answer: [extension] })
    const [sender, reader] = sides(session)
    sender.write(make(0xc2, '0123456789'))
    t.equal((await reader.frame()).first, 0xc2)
    sender.write(make(0xc2, '0123456789a'))
    await checkTooBig(t, session, { frames: 1 })
  })

  t.test(`strict: false relays what the ${side} breaks, as it is`, async t => {
    const breaches: Record<string, Buffer> = {
      'masked as the other side': other(0x81, 'x'),
      'a reserved data opcode': make(0x83, 'x'),
      'a reserved control opcode': make(0x8b, 'x'),
      RSV1: make(0xc1, 'x'),
      RSV2: make(0xa2, 'x'),
      'RSV3 on a ping': make(0x99, 'x'),
      'a fragmented ping': make(0x09, 'x'),
      'a ping of 126 bytes': make(0x89, Buffer.alloc(126)),
      'a continuation of nothing': make(0x80, 'x'),
      'a message inside a message': Buffer.concat([make(0x01, 'a'), make(0x81, 'b')])
    }
    const session = await open(t, { strict: false })
    const [sender, reader] = sides(session)
    for (const [name, bytes] of Object.entries(breaches)) {
      sender.write(bytes)
      t.ok((await reader.bytes(bytes.length)).equals(bytes), name)
    }
    sender.write(Buffer.from([0x82, side === 'client' ? 0xff : 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]))
    t.match(await sender.close(), /^1002 /, 'an end that cannot be found is still a violation')
    t.equal(await reader.close(), '1002')
    sender.end()
    reader.write(other(0x88, closing(1000))).end()
    await checkEnd(t, session, { by: side, reason: 'protocol-error', code: 1002 })
  })

  for (const [name, close] of [['with one byte', make(0x88, 'x')], ['of 126 bytes', make(0x88, Buffer.alloc(126))], ['that is fragmented', make(0x08, closing(1000))]] as const) {
    t.test(`strict: false relays a Close ${name} from the ${side}, and takes it for one`, async t => {
      const session = await open(t, { strict: false })
      const [sender, reader] = sides(session)
      sender.write(close)
      t.ok((await reader.bytes(close.length)).equals(close))
      reader.write(other(0x88, closing(1000))).end()
      t.equal(await sender.close(), '1000')
      sender.end()
      await checkEnd(t, session, { by: side, reason: 'close' })
    })
  }
}

t.test('strict: false, and maxFrameSize: a control frame that is one only by name has the limit', async t => {
  const session = await open(t, { strict: false, maxFrameSize: 200 })
  const { client, server } = session
  client.write(masked(0x89, Buffer.alloc(201)))
  t.equal(await server.close(), '1009')
  t.match(await client.close(), /^1009 /)
  client.end()
  server.end()
  await checkEnd(t, session, { reason: 'too-big' })
})

t.test('a message that is too big while a frame to its sender is open: the sender is cut off', async t => {
  const session = await open(t, { maxFrameSize: 1000 })
  const { client, server } = session
  server.write(frame(0x82, Buffer.alloc(1000)).subarray(0, 500))
  await client.has(500)
  client.write(masked(0x82, Buffer.alloc(1001)))
  t.equal((await client.rest()).length, 500)
  t.equal(await server.close(), '1009')
  server.end()
  await checkEnd(t, session, { by: 'client', reason: 'too-big' })
})

// Issue 8, A1: for those who want one, in both directions.
for (const lossCode of [1011, 1001, 1014, 4000]) {
  for (const { side, other } of SIDES) {
    t.test(`lossCode ${lossCode}, when the ${side} is lost`, async t => {
      const session = await open(t, { lossCode })
      const [lost, left] = side === 'client' ? [session.client, session.server] : [session.server, session.client]
      lost.reset()
      t.equal(await left.close(), String(lossCode))
      left.write(other(0x88, closing(lossCode)))
      t.equal(await left.rest(), '')
      left.end()
      await checkEnd(t, session, { by: side, reason: 'lost', code: 1006 })
      // Issue 8, A3.
      t.same(session.gateway.ends[0]!.closeSent, { [side === 'client' ? 'target' : 'client']: lossCode })
    })

    t.test(`lossCode ${lossCode}, when the ${side} ends its half`, async t => {
      const session = await open(t, { lossCode })
      const [lost, left] = side === 'client' ? [session.client, session.server] : [session.server, session.client]
      lost.end()
      t.equal(await left.close(), String(lossCode))
      left.end()
      await checkEnd(t, session, { by: side, reason: 'lost', code: 1006 })
      t.same(session.gateway.ends[0]!.closeSent, { [side === 'client' ? 'target' : 'client']: lossCode })
    })
  }

  t.test(`lossCode ${lossCode} is no matter of violations`, async t => {
    const violated = await open(t, { lossCode })
    violated.server.write(masked(0x81, 'x'))
    t.equal(await violated.client.close(), '1002')
    violated.client.end()
    violated.server.end()
    await checkEnd(t, violated, { by: 'target', reason: 'protocol-error' })
  })
}

t.test('closeTimeout: how long a Close may go unanswered', async t => {
  for (const closeTimeout of [100, 300]) {
    const session = await open(t, { closeTimeout })
    const started = performance.now()
    session.gateway.app.gateway.sessions.close(1000)
    await session.client.close()
    await session.server.close()
    await session.gateway.ended()
    const took = performance.now() - started
    t.ok(took > closeTimeout - 5 && took < closeTimeout * 2 + 2000, `${took} ms`)
    await checkEnd(t, session, { by: 'gateway', reason: 'application', code: 1000 })
  }
})

for (const { side, make, other } of SIDES) {
  t.test(`maxMessageSize of the ${side} alone`, async t => {
    const session = await open(t, { maxMessageSize: { [side === 'client' ? 'fromClient' : 'fromTarget']: 10 } })
    const { client, server } = session
    const [sender, reader] = side === 'client' ? [client, server] : [server, client]
    reader.write(other(0x82, Buffer.alloc(1_000)))
    t.equal((await sender.frame()).payload.length, 1_000, 'the other one is not limited')
    sender.write(make(0x82, Buffer.alloc(11)))
    t.equal(await reader.close(), '1009')
    for (const wire of [client, server]) wire.end()
    await session.gateway.ended()
    t.match(session.gateway.ends[0], { by: side, reason: 'too-big', code: 1009 })
  })
}
