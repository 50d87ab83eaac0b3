import { EventEmitter, once } from 'node:events'
import t, { type Test } from 'tap'
import type { WebSocket } from 'ws'
import type { SessionSocket } from '../../src/http-proxy/sockets.js'
import { echoed, proxyApp, tryHandshake, watchedTarget } from '../helpers/http-proxy.js'
import { closed, nextMessage } from '../helpers/sockets.js'

interface Context { log: { info (text: string): void } }
interface Message { data: Buffer, binary: boolean }

t.test('onIncomingMessage and onOutgoingMessage see each message, which goes on as it was, whatever they do', async t => {
  const target = await watchedTarget(t)
  const seen: unknown[] = []
  const log: string[] = []
  const { url } = await proxyApp(t, {
    upstream: target.url,
    websocket: true,
    wsHooks: {
      onIncomingMessage: (_context: Context, source: SessionSocket, target: SessionSocket, { data, binary }: Message) => {
        seen.push(['in', String(data), binary, source.readyState, target.readyState])
        throw new Error('it sees, and no more')
      },
      onOutgoingMessage: (_context: Context, _source: SessionSocket, _target: SessionSocket, { data, binary }: Message) => {
        seen.push(['out', String(data), binary])
        return 'something else'
      }
    }
  }, { fastify: { logger: { level: 'error', stream: { write: (line: string) => { log.push((JSON.parse(line) as { msg: string }).msg) } } } } })
  const { socket } = await tryHandshake(t, url)
  t.equal(await echoed(socket, 'text'), 'text')
  socket.send(Buffer.from('bytes'))
  t.match(await once(socket, 'message'), [Buffer.from('bytes'), true])
  t.same(seen, [['in', 'text', false, 1, 1], ['out', 'text', false], ['in', 'bytes', true, 1, 1], ['out', 'bytes', true]])
  t.same(log, ['proxy ws error from onIncomingMessage hook', 'proxy ws error from onIncomingMessage hook'])
})

t.test('messages of up to the limit of ws pass its hooks, not only those of the default limit', async t => {
  const target = await watchedTarget(t)
  const { url } = await proxyApp(t, { upstream: target.url, websocket: true, wsHooks: { onIncomingMessage: () => {} } })
  const { socket } = await tryHandshake(t, url)
  socket.send(Buffer.alloc(3_000_000))
  const [data] = await once(socket, 'message') as [Buffer]
  t.equal(data.length, 3_000_000)
})

t.test('a hook sends messages to either side', async t => {
  const target = await watchedTarget(t)
  const results: unknown[] = []
  const { url } = await proxyApp(t, {
    upstream: target.url,
    websocket: true,
    wsHooks: {
      onIncomingMessage: (_context: Context, source: SessionSocket, target: SessionSocket) => {
        source.send('welcome', (error?: Error) => results.push(error))
        target.send(Buffer.from('hello from the gateway'), { binary: false })
      },
      onDisconnect: (_context: Context, source: SessionSocket) => { source.send('too late', error => results.push(error?.message)) }
    }
  })
  const { socket } = await tryHandshake(t, url)
  const got: Array<[string, boolean]> = []
  socket.on('message', (data: Buffer, isBinary: boolean) => got.push([data.toString(), isBinary]))
  socket.send('go')
  while (got.length < 3) await once(socket, 'message')
  t.same(got, [['welcome', false], ['hello from the gateway', false], ['go', false]])
  socket.close()
  await closed(socket)
  while (results.length < 2) await new Promise(resolve => setImmediate(resolve))
  t.equal(results[0], undefined)
  t.match(results[1], /it is ending, or too much waits for that side/)
})

t.test('onPong hears the pongs of the target alone', async t => {
  const target = await watchedTarget(t)
  const events = new EventEmitter()
  const { url } = await proxyApp(t, {
    upstream: target.url,
    websocket: true,
    wsHooks: { onPong: (_context: Context, source: SessionSocket, target: SessionSocket) => { events.emit('pong', source.readyState, target.url) } },
    wsReconnect: { pingInterval: 100 }
  })
  const pong = once(events, 'pong')
  await tryHandshake(t, url)
  t.same(await pong, [1, target.url])
})

/** Opens a WebSocket behind a proxy with `wsReconnect`, and gives a way to lose its target. */
async function reconnecting (t: Test, wsReconnect: object, hooks: object = {}): Promise<{ socket: WebSocket, lose (how: (socket: WebSocket) => void): Promise<void> }> {
  const target = await watchedTarget(t)
  const { url } = await proxyApp(t, { upstream: target.url, websocket: true, wsReconnect: { reconnectInterval: 100, ...wsReconnect }, wsHooks: hooks })
  const { socket } = await tryHandshake(t, url)
  t.equal(await echoed(socket), 'hello')
  return {
    socket,
    lose: async how => {
      const next = once(target.sockets, 'connection')
      for (const client of target.sockets.clients) how(client)
      await next
    }
  }
}

t.test('wsReconnect: a lost target is replaced, and onReconnect is called', async t => {
  const calls: unknown[] = []
  const { socket, lose } = await reconnecting(t, {}, {
    onConnect: () => calls.push('onConnect'),
    onReconnect: (_context: Context, source: SessionSocket, target: SessionSocket) => {
      calls.push(['onReconnect', source.readyState])
      target.send('again')
    }
  })
  const again = nextMessage(socket)
  await lose(client => client.terminate())
  t.equal(await again, 'again')
  t.equal(await echoed(socket, 'still here'), 'still here')
  t.same(calls, ['onConnect', ['onReconnect', 1]])
})

t.test('wsReconnect: with reconnectOnClose, a target that has sent Close is replaced, too', async t => {
  const { socket, lose } = await reconnecting(t, { reconnectOnClose: true })
  for (const code of [1000, 4004, undefined]) await lose(client => client.close(code))
  t.equal(await echoed(socket, 'still here'), 'still here')
})

t.test('wsReconnect: without reconnectOnClose, the Close of the target reaches the client', async t => {
  const target = await watchedTarget(t)
  const { url } = await proxyApp(t, { upstream: target.url, websocket: true, wsReconnect: {} })
  const { socket } = await tryHandshake(t, url)
  t.equal(await echoed(socket), 'hello')
  const ended = closed(socket)
  for (const client of target.sockets.clients) client.close(1012, 'restart')
  t.match(await ended, { code: 1012, reason: 'restart' })
})

t.test('wsReconnect: after maxReconnectionRetries the session ends', async t => {
  const target = await watchedTarget(t)
  const { url } = await proxyApp(t, { upstream: target.url, websocket: true, wsReconnect: { maxReconnectionRetries: 2, reconnectInterval: 100 } })
  const { socket } = await tryHandshake(t, url)
  t.equal(await echoed(socket), 'hello')
  const ended = closed(socket)
  target.server.close()
  for (const client of target.sockets.clients) client.terminate()
  t.match(await ended, { code: 1006 })
})
