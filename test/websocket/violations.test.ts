import t from 'tap'
import { checkEnd, openSession } from '../helpers/gateway.js'
import { closing, frame, masked } from '../helpers/wire.js'

/** What either side may send to break RFC 6455 §5, given how it makes its frames and how the other side does. */
const VIOLATIONS: Record<string, (own: typeof frame, others: typeof frame) => Buffer> = {
  'a frame masked as the other side does it': (_own, others) => others(0x81, 'x'),
  'a reserved data opcode': own => own(0x83, 'x'),
  'a reserved control opcode': own => own(0x8b, 'x'),
  'RSV1 without an extension': own => own(0xc1, 'x'),
  RSV2: own => own(0xa2, 'x'),
  'RSV3 on a ping': own => own(0x99, 'x'),
  'a fragmented ping': own => own(0x09, 'x'),
  'a fragmented Close': own => own(0x08, closing(1000)),
  'a ping of 126 bytes': own => own(0x89, Buffer.alloc(126)),
  'a continuation of nothing': own => own(0x80, 'x'),
  'a length with the top bit': own => Buffer.from([0x82, own === frame ? 0x7f : 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]),
  'a Close with one byte': own => own(0x88, 'x')
}

const client = masked as typeof frame

// Issue 8, A1: the gateway ends these, so both sides hear of it.
for (const [name, make] of Object.entries(VIOLATIONS)) {
  t.test(`${name}, from the client: 1002 to it, and to the target`, async t => {
    const session = await openSession(t)
    session.client.write(Buffer.concat([masked(0x81, 'good'), make(client, frame), masked(0x81, 'never')]))
    t.equal((await session.server.frame()).payload.toString(), 'good')
    t.equal(await session.server.close(), '1002')
    t.match(await session.client.close(), /^1002 /)
    await session.client.over()
    session.client.end()
    session.server.write(frame(0x88, closing(1002))).end()
    t.equal(await session.server.rest(), '', 'nothing of the frame, nor behind it, was sent on')
    await checkEnd(t, session, { by: 'client', reason: 'protocol-error', code: 1002, closeSent: { client: 1002, target: 1002 }, fromClient: { frames: 1, messages: 1 } })
  })

  t.test(`${name}, from the target: 1002 to it, and to the client`, async t => {
    const session = await openSession(t)
    session.server.write(Buffer.concat([frame(0x81, 'good'), make(frame, client), frame(0x81, 'never')]))
    t.equal((await session.client.frame()).payload.toString(), 'good')
    t.equal(await session.client.close(), '1002')
    t.match(await session.server.close(), /^1002 /)
    session.client.write(masked(0x88, closing(1002)))
    t.equal(await session.client.rest(), '')
    session.client.end()
    session.server.end()
    await checkEnd(t, session, { by: 'target', reason: 'protocol-error', code: 1002, fromTarget: { frames: 1, messages: 1 } })
  })
}

t.test('a new message inside a fragmented one', async t => {
  const session = await openSession(t)
  session.client.write(Buffer.concat([masked(0x01, 'a'), masked(0x89, 'ping'), masked(0x81, 'b')]))
  t.equal((await session.server.frame()).payload.toString(), 'a')
  t.equal((await session.server.frame()).opcode, 9)
  t.equal(await session.server.close(), '1002')
  t.match(await session.client.close(), /^1002 /)
  session.client.end()
  session.server.end()
  await checkEnd(t, session, { by: 'client', reason: 'protocol-error' })
})

t.test('a violation while a frame to its sender is half sent: the sender is cut off', async t => {
  const session = await openSession(t)
  session.server.write(frame(0x82, Buffer.alloc(1000)).subarray(0, 500))
  await session.client.has(500)
  session.client.write(frame(0x81, 'unmasked'))
  t.equal((await session.client.rest()).length, 500)
  t.equal(await session.server.close(), '1002')
  await session.server.over()
  session.server.end()
  await checkEnd(t, session, { by: 'client', reason: 'protocol-error' })
})

t.test('whoever broke the protocol and goes on sending is cut after closeTimeout', async t => {
  const session = await openSession(t)
  session.client.write(frame(0x81, 'unmasked'))
  const flood = setInterval(() => { session.client.write(Buffer.alloc(10_000)) }, 10)
  t.teardown(() => { clearInterval(flood) })
  session.server.end()
  await session.gateway.ended()
  clearInterval(flood)
  await checkEnd(t, session, { by: 'client', reason: 'protocol-error' })
})

t.test('RSV1 with permessage-deflate passes', async t => {
  const session = await openSession(t, { headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' }, answer: ['Sec-WebSocket-Extensions: permessage-deflate'] })
  session.client.write(masked(0xc1, 'x'))
  t.equal((await session.server.frame()).first, 0xc1)
  session.client.write(masked(0xa1, 'x'))
  t.equal(await session.server.close(), '1002')
  session.client.reset()
  session.server.end()
  await checkEnd(t, session, { reason: 'protocol-error' })
})
