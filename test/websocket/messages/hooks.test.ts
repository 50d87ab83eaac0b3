import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { drop, type MessageOptions, type WebSocketSession } from '../../../src/index.js'
import { checkEnd, openSession } from '../../helpers/gateway.js'
import { openHooked, endByClient, endByGateway, readByGateway } from '../../helpers/hooked-session.js'
import { closing, frame, masked } from '../../helpers/wire.js'

t.test('a message that a hook does not change goes on byte for byte, however it is cut', async t => {
  const seen: Array<[string, string | undefined, boolean]> = []
  const session = await openHooked(t, {
    fromClient (message) { seen.push([message.data.toString(), message.text, message.binary]) },
    fromTarget (message) { seen.push([message.data.toString('hex'), message.text, message.binary]) }
  })
  const { client, server } = session
  const bytes = Buffer.concat([masked(0x01, 'he'), masked(0x00, ''), masked(0x89, 'ping'), masked(0x80, 'llo'), masked(0x82, Buffer.from([1, 2])), masked(0x81, 'x'.repeat(70_000))])
  for (const [from, to] of [[0, 3], [3, 9], [9, 40], [40, bytes.length]] as const) {
    client.write(bytes.subarray(from, to))
    await readByGateway(session, to)
  }
  // A control frame between the fragments of a message goes before it.
  const ping = masked(0x89, 'ping')
  t.equal((await server.frame()).payload.toString(), 'ping')
  const rest = await server.bytes(bytes.length - ping.length)
  t.ok(rest.equals(Buffer.concat([bytes.subarray(0, 14), bytes.subarray(14 + ping.length)])), 'with the masks of the client')
  server.write(Buffer.concat([frame(0x82, Buffer.from([3])), frame(0x81, 'é')]))
  t.ok((await client.bytes(7)).equals(Buffer.concat([frame(0x82, Buffer.from([3])), frame(0x81, 'é')])))
  t.same(seen, [['hello', 'hello', false], ['\x01\x02', undefined, true], ['x'.repeat(70_000), 'x'.repeat(70_000), false], ['03', undefined, true], ['c3a9', 'é', false]])
  await endByClient(t, session)
})

t.test('a hook changes a message, drops it, or leaves it, in order', async t => {
  const session = await openHooked(t, {
    fromClient ({ text }) {
      if (text === 'change') return 'changed'
      if (text === 'bytes') return new Uint8Array([1, 2, 3])
      if (text === 'drop') return drop
    },
    fromTarget: async ({ text }) => {
      await pause(text === 'slow' ? 30 : 1)
      return text === 'drop' ? drop : text === 'slow' ? 'late, and yet first' : undefined
    }
  })
  const { client, server } = session
  client.write(Buffer.concat(['a', 'change', 'b', 'drop', 'bytes', 'c'].map(text => masked(0x81, text))))
  const got = []
  for (let index = 0; index < 5; index++) got.push(await server.frame())
  t.same(got.map(({ opcode, payload }) => [opcode, payload.toString()]), [[1, 'a'], [1, 'changed'], [1, 'b'], [2, '\x01\x02\x03'], [1, 'c']])
  t.ok(got.every(frame => frame.masked))
  server.write(Buffer.concat(['slow', 'drop', 'quick'].map(text => frame(0x81, text))))
  t.same([(await client.frame()).payload.toString(), (await client.frame()).payload.toString()], ['late, and yet first', 'quick'])
  await endByClient(t, session)
})

t.test('a Close and a Ping keep their places behind messages whose hooks take time', async t => {
  let finish: () => void
  const finished = new Promise<void>(resolve => { finish = resolve })
  const session = await openHooked(t, { fromClient: () => finished })
  const { client, server } = session
  const bytes = Buffer.concat([masked(0x81, 'first'), masked(0x89, 'p'), masked(0x81, 'second'), masked(0x88, closing(4001, 'bye'))])
  client.write(bytes)
  await readByGateway(session, bytes.length)
  finish!()
  t.same([(await server.frame()).payload.toString(), (await server.frame()).opcode, (await server.frame()).payload.toString()], ['first', 9, 'second'])
  t.equal(await server.close(), '4001 bye')
  server.write(frame(0x88, closing(4001))).end()
  t.equal(await client.close(), '4001')
  client.end()
  await checkEnd(t, session, { by: 'client', reason: 'close', code: 4001 })
})

t.test('what a client sent before it was lost goes on, once its hooks are done', async t => {
  const session = await openHooked(t, { fromClient: () => pause(20) }, { closeTimeout: 2000 })
  const { client, server } = session
  client.write(masked(0x81, 'last words')).end()
  t.equal((await server.frame()).payload.toString(), 'last words')
  await server.over()
  server.end()
  await checkEnd(t, session, { by: 'client', reason: 'lost', code: 1006 })
})

t.test('a hook that throws, rejects, is late or returns something else ends the session with 1011', async t => {
  const hooks: Record<string, MessageOptions['fromClient']> = {
    throws: () => { throw new Error('no') },
    rejects: async () => { await turn(); throw new Error('no') },
    late: () => new Promise<never>(() => {}),
    returns: () => 1 as never
  }
  for (const [name, fromClient] of Object.entries(hooks)) {
    await t.test(name, async t => {
      const session = await openHooked(t, { fromClient: fromClient!, timeout: 30 })
      const { gateway, client } = session
      client.write(masked(0x81, 'secret'))
      await endByGateway(t, session, { server: '1011', client: '1011' }, { by: 'gateway', reason: 'hook', code: 1011 })
      t.match(gateway.log.find(({ msg }) => String(msg).startsWith('a hook for messages failed')), { level: 50, route: '/*' })
    })
  }
})

t.test('a hook may close the session: its message goes nowhere', async t => {
  for (const isLate of [false, true]) {
    const session = await openHooked(t, {
      async fromClient (_message, session) {
        if (isLate) await pause(10)
        session.close(1008, 'not here')
      }
    })
    const { client } = session
    client.write(masked(0x81, 'x'))
    await endByGateway(t, session, { server: '1008 not here', client: '1008 not here' }, { by: 'gateway', reason: 'application', code: 1008 })
  }
})

t.test('a message that is too long, over one frame or many, is refused with 1009 before any of it goes on', async t => {
  const cases: Record<string, Buffer[]> = {
    'one frame': [masked(0x82, Buffer.alloc(101))],
    'the header alone': [masked(0x82, Buffer.alloc(1000)).subarray(0, 8)],
    fragments: [masked(0x02, Buffer.alloc(60)), masked(0x80, Buffer.alloc(60))],
    'empty fragments': [masked(0x02, ''), ...Array.from({ length: 12_000 }, () => masked(0x00, ''))]
  }
  for (const [name, frames] of Object.entries(cases)) {
    await t.test(name, async t => {
      const session = await openHooked(t, { fromClient () {}, maxSize: 100 })
      const { client, server } = session
      client.write(Buffer.concat([masked(0x81, 'before'), ...frames]))
      t.equal((await server.frame()).payload.toString(), 'before')
      await endByGateway(t, session, { server: '1009', client: '1009 a message that is too long' }, { by: 'client', reason: 'too-big', code: 1009 })
    })
  }
})

t.test('text that is not UTF-8 is refused with 1007, over fragments, too', async t => {
  for (const frames of [[masked(0x81, Buffer.from([0xff]))], [masked(0x01, Buffer.from([0xc3])), masked(0x80, Buffer.from([0x28]))]]) {
    const session = await openHooked(t, { fromClient () {} })
    const { client, server } = session
    // Cut within a fragment, a character is whole again.
    client.write(Buffer.concat([masked(0x01, Buffer.from([0xc3])), masked(0x80, Buffer.from([0xa9])), ...frames]))
    t.equal((await server.frame()).opcode, 1)
    t.equal((await server.frame()).opcode, 0)
    await endByGateway(t, session, { server: '1007', client: '1007 a text message that is not UTF-8' }, { by: 'client', reason: 'protocol-error', code: 1007 })
  }
})

t.test('several hooks compose: those of the scopes first, each with what the one before has made', async t => {
  const session = await openHooked(t, {
    fromClient: [({ text }) => `${text}c`, async ({ text }) => { await turn(); return `${text}d` }]
  }, {}, {
    setup: app => {
      app.addMessageHook('fromClient', ({ text }) => `${text}a`)
      app.addMessageHook('fromClient', () => {})
      app.addMessageHook('fromTarget', ({ data }) => data)
    }
  })
  const { client, server } = session
  client.write(masked(0x81, '>'))
  t.equal((await server.frame()).payload.toString(), '>acd')
  server.write(frame(0x81, 'x'))
  t.equal((await client.frame()).opcode, 2, 'the same bytes, as a binary message')
  await endByClient(t, session)
})

t.test('maxPending holds the side back, and keeps the order', async t => {
  let under = 0
  let most = 0
  const session = await openHooked(t, {
    maxPending: 3,
    fromClient: async ({ text }) => {
      most = Math.max(most, ++under)
      await pause(Number(text) % 7)
      under--
    }
  })
  const { client, server } = session
  const texts = Array.from({ length: 200 }, (_, index) => String(index))
  client.write(Buffer.concat(texts.map(text => masked(0x81, text))))
  for (const text of texts) t.equal((await server.frame()).payload.toString(), text)
  t.equal(most, 3)
  await endByClient(t, session)
})

t.test('onClose hears the Close of each side', async t => {
  const closes: unknown[] = []
  const session = await openHooked(t, { onClose: (code, reason, session: WebSocketSession, from) => { closes.push([code, reason, session.route, from]) }, fromClient () {}, fromTarget () {} })
  const { client, server } = session
  client.write(masked(0x88, closing(4000, 'bye')))
  t.equal(await server.close(), '4000 bye')
  server.write(frame(0x88)).end()
  t.equal(await client.close(), '')
  client.end()
  await checkEnd(t, session, { by: 'client', reason: 'close', code: 4000 })
  t.same(closes, [[4000, 'bye', '/*', 'client'], [1005, '', '/*', 'target']])
})

t.test('a session sends messages of its own between others, on routes with and without hooks', async t => {
  for (const messages of [undefined, { fromClient () {}, fromTarget () {} }] as const) {
    let opened: WebSocketSession | undefined
    const session = await openSession(t, { route: { websocket: { closeTimeout: 200, onSession: session => { opened = session }, ...messages !== undefined && { messages } } } })
    const { client, server } = session
    t.equal(opened!.send('client', 'hello'), true)
    t.equal(opened!.send('target', Buffer.from([1])), true)
    t.match(await client.frame(), { opcode: 1, masked: false, payload: Buffer.from('hello') })
    t.match(await server.frame(), { opcode: 2, masked: true, payload: Buffer.from([1]) })
    // Not within a message.
    server.write(frame(0x01, 'half'))
    if (messages === undefined) await client.frame()
    else while (opened!.fromTarget.frames === 0) await turn()
    t.equal(opened!.send('client', 'behind'), true)
    server.write(frame(0x80, ' and half'))
    const frames = messages === undefined ? ['\x80 and half', '\x81behind'] : ['\x81behind', '\x01half', '\x80 and half']
    for (const expected of frames) {
      const { first, payload } = await client.frame()
      t.equal(String.fromCharCode(first) + payload.toString(), expected)
    }
    await endByClient(t, session)
    t.equal(opened!.send('client', 'too late'), false)
  }
})

t.test('a session whose peer does not read takes no more than a MiB of its own messages', async t => {
  let opened: WebSocketSession | undefined
  const session = await openSession(t, { route: { websocket: { closeTimeout: 200, onSession: session => { opened = session } } } })
  const { client, server } = session
  client.socket.pause()
  const message = Buffer.alloc(100_000)
  let sent = 0
  while (opened!.send('client', message)) sent++
  t.ok(sent < 200, `${sent} were taken`)
  t.equal(opened!.send('target', 'another side'), true)
  t.equal((await server.frame()).payload.toString(), 'another side')
  client.socket.resume()
  for (let index = 0; index < sent; index++) await client.frame()
  t.equal(opened!.send('client', 'again'), true)
  t.equal((await client.frame()).payload.toString(), 'again')
  await endByClient(t, session)
})
