import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { TargetState } from '../../src/index.js'
import { acceptOf } from '../../src/message/accept-key.js'
import { startGateway } from '../helpers/gateway.js'

/* Random endings of every kind, at once: whatever happens, all that was counted comes back. */

const SECONDS = Number(process.env.SECONDS ?? 20)
const CLIENTS = 40

t.setTimeout(120_000)

const below = (limit: number): number => Math.floor(Math.random() * limit)
const oneOf = <T>(items: readonly T[]): T => items[below(items.length)]!

/** A target that responds, at once or late, or resets, ends or breaks off, as it comes. */
async function moodyTarget (t: Test): Promise<string> {
  const server = createServer(socket => {
    socket.on('error', () => {}).on('data', data => { if (/^[A-Z]+ /.test(data.toString('latin1', 0, 10))) respond(socket, data.toString('latin1')) })
  }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function respond (socket: Socket, head: string): void {
  const key = /^sec-websocket-key: (\S+)/im.exec(head)?.[1]
  const good = key === undefined
    ? 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
    : `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptOf(key)}\r\n\r\n`
  const respondWell = (): void => { socket.write(good) }
  oneOf([
    respondWell, respondWell, respondWell, respondWell,
    () => { setTimeout(respondWell, below(60)) },
    () => { setTimeout(respondWell, below(60)) },
    () => { socket.resetAndDestroy() },
    () => { socket.end() },
    () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal')
      setTimeout(() => socket.destroy(), below(30))
    },
    () => { setTimeout(() => socket.destroy(), below(200)) }
  ])()
  if (key !== undefined) setTimeout(() => socket.destroy(), below(400))
}

/** One client, with or without a body, a cookie, a WebSocket; some leave before the end. Gives its status, or its error. */
function visit (port: number, cookie: string | undefined): Promise<{ outcome: string, cookie?: string | undefined }> {
  return new Promise(resolve => {
    const upgrades = below(3) === 0
    const method = upgrades ? 'GET' : oneOf(['GET', 'POST', 'PUT', 'HEAD'])
    const headers = {
      ...cookie !== undefined && below(2) === 0 && { cookie },
      ...upgrades && { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' }
    }
    const outgoing = request({ port, agent: false, method, path: oneOf(['/x', '/late/x']), headers })
      .on('response', (response: IncomingMessage) => {
        const outcome = { outcome: String(response.statusCode), cookie: response.headers['set-cookie']?.[0]?.split(';')[0] }
        response.on('error', () => {}).on('close', () => resolve(outcome)).resume()
      })
      .on('upgrade', (_response, socket) => {
        socket.on('error', () => {}).on('close', () => resolve({ outcome: '101' })).resume()
        setTimeout(() => socket.destroy(), below(400))
      })
      .on('error', (error: NodeJS.ErrnoException) => resolve({ outcome: error.code ?? error.message }))
    if (method === 'POST' || method === 'PUT') outgoing.write('x'.repeat(below(100_000)))
    outgoing.end()
    if (below(6) === 0) setTimeout(() => outgoing.destroy(), below(80))
  })
}

t.test(`${CLIENTS} clients for ${SECONDS} seconds, and nothing counts at the end`, async t => {
  const urls = await Promise.all([moodyTarget(t), moodyTarget(t), moodyTarget(t)])
  const { app, port, idle } = await startGateway(t, {
    targets: urls,
    upstream: {
      maxRequests: 4,
      maxSessions: 3,
      total: { maxRequests: 9, maxSessions: 7 },
      maxQueue: 20,
      queueTimeout: 100,
      attemptTimeout: 30,
      retries: 2,
      headersTimeout: 150,
      sticky: true,
      passiveHealth: { failures: 4, ejectFor: 50 }
    },
    route: { websocket: { handshakeTimeout: 150, closeTimeout: 50 } },
    setup: app => {
      app.proxy('/late/*', {
        websocket: true,
        upstream: async () => {
          await pause(below(20))
          return 'main'
        }
      })
    }
  })
  const control = app.gateway.upstreams.get('main')!
  const outcomes: Record<string, number> = {}
  const end = performance.now() + SECONDS * 1_000
  const client = async (): Promise<void> => {
    for (let cookie: string | undefined; performance.now() < end;) {
      const visited = await visit(port, cookie)
      cookie = visited.cookie ?? cookie
      outcomes[visited.outcome] = (outcomes[visited.outcome] ?? 0) + 1
    }
  }
  const operator = async (): Promise<void> => {
    while (performance.now() < end) {
      await pause(200)
      const state = oneOf<TargetState>(['ready', 'ready', 'ready', 'drain', 'maintenance'])
      control.setTarget(oneOf(control.targets).url, { state })
      if (below(5) === 0) control.setTargets(urls.slice(0, 2 + below(2)))
    }
  }
  await Promise.all([operator(), ...Array.from({ length: CLIENTS }, client)])
  await idle()
  while (app.gateway.sessions.size > 0) await new Promise(setImmediate)
  t.comment(JSON.stringify(outcomes))
  for (const outcome of ['101', '200', '502', '503']) t.ok(outcomes[outcome]! > 0, `some ended with ${outcome}`)
  t.same(control.load, { requests: 0, handshakes: 0, sessions: 0, retries: 0, waiting: 0 })
  t.same(control.targets.flatMap(({ requests, handshakes, sessions }) => [requests, handshakes, sessions]).filter(count => count !== 0), [])
})
