import { createServer } from 'node:http'
import { docs, setupWSConnection } from '@y/websocket-server/utils'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { WebsocketProvider } from 'y-websocket'
import { Doc } from 'yjs'
import { listen } from '../../helpers/backends.js'
import { startGateway, type RunningGateway } from '../../helpers/gateway.js'

t.test('two documents of y-websocket become one', async t => {
  const { gateway, open } = await start(t)
  const one = open()
  one.doc.getText('text').insert(0, 'world')
  await synced(one)
  const other = open()
  await synced(other)
  t.equal(text(other), 'world')

  const edited = once(one, () => text(one) === 'hello world')
  other.doc.getText('text').insert(0, 'hello ')
  await edited
  one.awareness.setLocalStateField('user', 'Ada')
  await until(other.awareness, 'update', () => [...other.awareness.getStates().values()].some(state => state.user === 'Ada'))

  one.destroy()
  other.destroy()
  await gateway.ended(2)
  t.match(gateway.ends, [{ by: 'client', reason: 'close' }, { by: 'client', reason: 'close' }])
})

t.test('y-websocket comes back when the gateway ends its session, with what was edited meanwhile', async t => {
  const { gateway, open } = await start(t)
  const [one, other] = [open(), open()]
  await Promise.all([synced(one), synced(other)])

  const lost = until(one, 'status', ({ status }: { status: string }) => status === 'disconnected')
  const back = until(other, 'status', ({ status }: { status: string }) => status === 'connected')
  gateway.app.gateway.sessions.close(1012, 'restart')
  await lost
  one.doc.getText('text').insert(0, 'offline')
  await back
  await once(other, () => text(other) === 'offline')
  t.match(gateway.ends, [{ by: 'gateway', code: 1012 }, { by: 'gateway', code: 1012 }])
})

async function start (t: Test): Promise<{ gateway: RunningGateway, open (): WebsocketProvider }> {
  const backend = await listen(t, createServer())
  const sockets = new WebSocketServer({ server: backend.server })
  sockets.on('connection', setupWSConnection)
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
    // The server keeps its documents, each with a timer.
    for (const doc of docs.values()) doc.destroy()
    docs.clear()
  })
  const gateway = await startGateway(t, { targets: [backend.url] })
  const open = (): WebsocketProvider => {
    const provider = new WebsocketProvider(`ws://127.0.0.1:${gateway.port}`, 'room', new Doc(), {
      WebSocketPolyfill: WebSocket as never,
      // Otherwise providers of one process talk to each other without a server.
      disableBc: true
    })
    t.teardown(() => {
      provider.destroy()
      provider.doc.destroy()
    })
    return provider
  }
  return { gateway, open }
}

function text (provider: WebsocketProvider): string {
  return provider.doc.getText('text').toJSON()
}

function synced (provider: WebsocketProvider): Promise<void> {
  return provider.synced ? Promise.resolve() : until(provider, 'sync', (state: boolean) => state)
}

/** Resolves when the document is as wanted. */
function once (provider: WebsocketProvider, condition: () => boolean): Promise<void> {
  return condition() ? Promise.resolve() : until(provider.doc, 'update', condition)
}

interface Emitter { on (name: string, listener: (...values: any[]) => void): unknown, off (name: string, listener: (...values: any[]) => void): unknown }

/** Resolves when an event comes that meets the condition. */
function until (emitter: unknown, name: string, condition: (...values: any[]) => boolean): Promise<void> {
  const { on, off } = emitter as Emitter
  return new Promise(resolve => {
    const listener = (...values: any[]): void => {
      if (!condition(...values)) return
      off.call(emitter, name, listener)
      resolve()
    }
    on.call(emitter, name, listener)
  })
}
