import { EventEmitter, once } from 'node:events'
import t from 'tap'
import type { SessionSocket } from '../../src/http-proxy/sockets.js'
import { echoed, proxyApp, tryHandshake, watchedTarget } from '../helpers/http-proxy.js'
import { closed } from '../helpers/sockets.js'

interface Context { log: { info (text: string): void } }

t.test('onConnect and onDisconnect get what stands for the sockets, once for each session', async t => {
  const target = await watchedTarget(t, { server: { handleProtocols: () => 'chat' } })
  const events = new EventEmitter()
  const log: Array<Record<string, unknown>> = []
  const calls: string[] = []
  const { url } = await proxyApp(t, {
    upstream: target.url,
    websocket: true,
    wsHooks: {
      onConnect: ({ log }: Context, source: SessionSocket, target: SessionSocket) => {
        log.info('connected')
        calls.push(`onConnect ${source.readyState} ${target.protocol} ${target.url}`)
        source.on('close', (code, reason) => calls.push(`source ${code} ${String(reason)}`))
        target.once('close', code => calls.push(`target ${code}`))
        events.emit('connect', source, target)
      },
      onDisconnect: (_context: Context, source: SessionSocket) => {
        calls.push(`onDisconnect ${source.readyState}`)
        events.emit('disconnect')
      }
    },
    passthrough: {
      onSession: () => { calls.push('onSession') },
      onSessionEnd: () => { calls.push('onSessionEnd') }
    }
  }, { fastify: { logger: { stream: { write: (line: string) => log.push(JSON.parse(line)) } } } })
  const disconnected = once(events, 'disconnect')
  const { socket } = await tryHandshake(t, url, ['chat'])
  await echoed(socket)
  socket.close(4001, 'enough')
  await Promise.all([closed(socket), disconnected])
  t.same(calls, [`onConnect 1 chat ${target.url}`, 'onSession', 'source 4001 ', 'target 4001', 'onDisconnect 3', 'onSessionEnd'])
  t.match(log.find(({ msg }) => msg === 'connected'), { reqId: 'req-1' }, 'their log names the request')
})

t.test('a hook closes and cuts a session by either side', async t => {
  const target = await watchedTarget(t)
  const actions: Record<string, { act (source: SessionSocket, target: SessionSocket): void, code: number }> = {
    'source.close()': { act: source => source.close(4002, 'policy'), code: 4002 },
    'target.close()': { act: (_source, target) => target.close(), code: 1000 },
    'source.terminate()': { act: source => source.terminate(), code: 1006 },
    'target.terminate()': { act: (_source, target) => target.terminate(), code: 1006 }
  }
  for (const [name, { act, code }] of Object.entries(actions)) {
    const states: number[] = []
    const { app, url } = await proxyApp(t, {
      upstream: target.url,
      websocket: true,
      wsHooks: {
        onConnect: (_context: Context, source: SessionSocket, target: SessionSocket) => {
          act(source, target)
          act(source, target)
          states.push(Math.max(source.readyState, target.readyState))
          t.throws(() => source.close(99), RangeError)
        },
        onDisconnect: (_context: Context, source: SessionSocket) => {
          act(source, source)
          states.push(source.readyState)
        }
      }
    }, { gateway: true })
    const { socket } = await tryHandshake(t, url)
    t.equal((await closed(socket)).code, code, name)
    while (app.gateway.sessions.size > 0) await new Promise(resolve => setImmediate(resolve))
    t.same(states, [2, 3])
  }
})

t.test('what has no meaning throws, and says what to use', async t => {
  const target = await watchedTarget(t)
  const sockets: SessionSocket[] = []
  const { url } = await proxyApp(t, { upstream: target.url, websocket: true, wsHooks: { onConnect: (_context: Context, ...both: SessionSocket[]) => { sockets.push(...both) } } })
  await tryHandshake(t, url)
  while (sockets.length < 2) await new Promise(resolve => setImmediate(resolve))
  for (const socket of sockets) {
    const tries: Array<[() => unknown, RegExp]> = [
      [() => socket.on('message', () => {}), /has no the event 'message': 'wsHooks.onIncomingMessage'/],
      [() => socket.once('ping', () => {}), /pings are relayed/],
      [() => socket.ping(), /passthrough\.pingInterval/],
      [() => socket.pong(), /wsHooks\.onPong/],
      [() => socket.pause(), /the relay reads no faster/],
      [() => socket.resume(), /the relay reads no faster/],
      [() => socket.addEventListener('close'), /use on\('close'\)/],
      [() => socket.removeEventListener('close'), /use off\('close'\)/],
      [() => { (socket as unknown as { onmessage: unknown }).onmessage = () => {} }, /wsHooks.onIncomingMessage/],
      [() => { (socket as unknown as { onclose: unknown }).onclose = () => {} }, /use on\('close'\)/]
    ]
    for (const [act, message] of tries) t.throws(act, { name: 'TypeError', message })
    t.equal((socket as unknown as { onclose: unknown }).onclose, null)
    t.doesNotThrow(() => socket.on('error', () => {}))
  }
})

t.test('a hook that throws, or whose promise rejects, is logged, and the session goes on', async t => {
  const target = await watchedTarget(t)
  const log: string[] = []
  const events = new EventEmitter()
  const { url } = await proxyApp(t, {
    upstream: target.url,
    websocket: true,
    wsHooks: {
      onConnect: (_context: Context, source: SessionSocket) => {
        source.on('close', () => { throw new Error('listener') })
        throw new Error('thrown')
      },
      onDisconnect: async () => { throw new Error('rejected') }
    }
  }, {
    fastify: {
      logger: {
        level: 'error',
        stream: {
          write: (line: string) => {
            const { msg, err } = JSON.parse(line) as { msg: string, err: { message: string } }
            log.push(`${msg}: ${err.message}`)
            events.emit('line')
          }
        }
      }
    }
  })
  const { socket } = await tryHandshake(t, url)
  t.equal(await echoed(socket), 'hello')
  socket.close()
  while (log.length < 3) await once(events, 'line')
  t.same(log, ['proxy ws error from onConnect hook: thrown', "proxy ws error from a listener of 'close': listener", 'proxy ws error from onDisconnect hook: rejected'])
})
