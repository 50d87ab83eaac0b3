import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server as Engine } from 'engine.io'
import { retry } from 'rxjs'
import { webSocket } from 'rxjs/webSocket'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { listen } from '../../helpers/backends.js'
import { startGateway } from '../../helpers/gateway.js'

/** What of issue 8, A, real clients and targets show: each directly, and through the gateway. */
const WAYS = ['directly', 'through the gateway'] as const

async function urlOf (t: Test, way: typeof WAYS[number], target: string, websocket: object = {}): Promise<string> {
  if (way === 'directly') return target
  return `http://127.0.0.1:${(await startGateway(t, { targets: [target], route: { websocket } })).port}`
}

for (const way of WAYS) {
  // Issue 8, A1: rxjs takes a clean end for the end of the observable, and retries only after another.
  t.test(`rxjs webSocket() with retry(), ${way}: comes back when its target does`, async t => {
    let target = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    await once(target, 'listening')
    const { port } = target.address() as AddressInfo
    t.teardown(() => { target.close() })
    const url = await urlOf(t, way, `http://127.0.0.1:${port}`)
    const greet = (text: string) => target.on('connection', socket => { socket.send(JSON.stringify(text)) })
    greet('first')
    const seen: unknown[] = []
    let heard = () => {}
    const subject = webSocket({ url: url.replace('http', 'ws'), WebSocketCtor: WebSocket as never }).pipe(retry({ delay: 50 }))
    const subscription = subject.subscribe({ next: text => { seen.push(text); heard() }, complete: () => { seen.push('complete'); heard() } })
    t.teardown(() => { subscription.unsubscribe() })
    const next = () => new Promise<void>(resolve => { heard = resolve })
    await next()
    // Killed, and started again on its port.
    const again = next()
    for (const socket of target.clients) socket.terminate()
    await new Promise(resolve => target.close(resolve))
    target = new WebSocketServer({ port, host: '127.0.0.1' })
    greet('second')
    await again
    t.strictSame(seen, ['first', 'second'])
    subscription.unsubscribe()
  })

  // Issue 8, A6: engine.io writes the text of an HTTP response behind its 101, and ends.
  for (const strict of way === 'directly' ? [true] : [true, false]) {
    t.test(`engine.io whose generateId rejects, ${way}${strict ? '' : ', strict: false'}: both sides end at once`, async t => {
      const backend = await listen(t, createServer())
      const engine = new Engine()
      engine.attach(backend.server)
      engine.generateId = () => Promise.reject(new Error('no'))
      let open = 0
      const targetGone = new Promise<void>(resolve => {
        backend.server.on('connection', socket => { open++; socket.on('close', () => { if (--open === 0) resolve() }) })
      })
      const url = await urlOf(t, way, backend.url, { strict, closeTimeout: 60_000 })
      const socket = new WebSocket(`${url.replace('http', 'ws')}/engine.io/?EIO=4&transport=websocket`)
      // Directly, and where breaches pass, ws complains of what is no frame.
      socket.on('error', () => {})
      const clientGone = new Promise<void>(resolve => { socket.on('close', () => { resolve() }) })
      const started = performance.now()
      await Promise.all([clientGone, targetGone])
      const took = performance.now() - started
      t.ok(took < 2000, `${Math.round(took)} ms`)
    })
  }
}
