import type { GatewayEvent, Point, RouteRow, SessionRow, UpstreamRow } from '../../src/admin/page/protocol.js'
import type { MadeUp } from './status-page.js'

/** A gateway in the middle of a working night: a target is down, another one is drained, and one route has errors. */
export function lifelike (): Partial<MadeUp> {
  const now = Date.now()
  const random = numbers(20_261_127)
  const sessions = Array.from({ length: 1_284 }, (_, index) => session(index, now, random))
  return { startedAt: now - 1_058_400_000, points: points(now, sessions.length, random), routes: ROUTES, upstreams: upstreams(now), sessions, events: events(now) }
}

/** Numbers from 0 to 1 that are the same every time. */
function numbers (seed: number): () => number {
  return () => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    return seed / 2 ** 32
  }
}

function points (now: number, sessions: number, random: () => number): Point[] {
  let drift = 0
  return Array.from({ length: 300 }, (_, index) => {
    drift = drift * 0.96 + (random() - 0.5) * 60
    const isOutage = index > 190 && index < 214
    const requests = Math.round(640 + 90 * Math.sin(index / 38) + drift + random() * 40 - (isOutage ? 160 : 0))
    const bytesFromClients = 118_000 + 30_000 * Math.sin(index / 23) + random() * 26_000
    return {
      at: now - (299 - index) * 1_000,
      requests,
      errors: isOutage ? Math.round(5 + random() * 14) : index === 299 || (index > 270 && random() < 0.5) ? 1 + Math.round(random()) : 0,
      handshakes: Math.round(3 + random() * 5),
      messagesFromClients: Math.round(bytesFromClients / 160),
      messagesFromTargets: Math.round(bytesFromClients / 52),
      bytesFromClients,
      bytesFromTargets: 3.1 * bytesFromClients + random() * 60_000,
      sessions: Math.round(sessions + 34 - Math.max(0, index - 205) * 0.36 - (isOutage ? (index - 190) * 3 : index >= 214 ? Math.max(0, 70 - (index - 214) * 1.4) : 0)),
      p50: 9 + 3 * Math.sin(index / 31) + random() * 2,
      p99: (isOutage ? 420 : 74) + random() * 30 + 12 * Math.sin(index / 19),
      eventLoop: 2 + random() * 6
    }
  })
}

const ROUTES: RouteRow[] = [
  { url: '/api/orders/*', methods: null, constraints: null, upstream: 'orders', websocket: false, requests: 184, errors: 1.2, sessions: 0, p50: 21, p99: 118 },
  { url: '/api/*', methods: ['GET', 'POST', 'PUT', 'DELETE'], constraints: null, upstream: 'api', websocket: false, requests: 301, errors: 0, sessions: 0, p50: 9.4, p99: 71 },
  { url: '/chat/:room', methods: null, constraints: 'host: chat.example.com', upstream: 'chat', websocket: true, requests: 12, errors: 0, sessions: 941, p50: 3.1, p99: 18 },
  { url: '/live/prices', methods: ['GET'], constraints: null, upstream: 'prices', websocket: true, requests: 0, errors: 0, sessions: 343, p50: null, p99: null },
  { url: '/*', methods: null, constraints: null, upstream: 'api', websocket: false, requests: 152, errors: 0, sessions: 0, p50: 4.8, p99: 36 }
]

function upstreams (now: number): UpstreamRow[] {
  const target = (url: string, requests: number, sessions: number, more: object = {}): UpstreamRow['targets'][number] =>
    ({ url, state: 'ready', health: 'healthy', since: now - 190_800_000, reason: null, weight: 1, priority: 0, requests, handshakes: 0, sessions, failures: 0, ...more })
  return [
    { name: 'api', waiting: 0, targets: [target('http://10.0.4.11:8080', 14, 0), target('http://10.0.4.12:8080', 11, 0, { failures: 2 })] },
    {
      name: 'orders',
      waiting: 0,
      targets: [
        target('http://10.0.5.21:8080', 9, 0, { failures: 61 }),
        target('http://10.0.5.22:8080', 0, 0, { health: 'down', since: now - 106_000, reason: 'connect ECONNREFUSED 10.0.5.22:8080', failures: 214 })
      ]
    },
    {
      name: 'chat',
      waiting: 0,
      targets: [
        target('http://10.0.6.31:3000', 1, 512, { weight: 2, handshakes: 1 }),
        target('http://10.0.6.32:3000', 0, 429, { state: 'drain', since: now - 1_260_000 })
      ]
    },
    { name: 'prices', waiting: 0, targets: [target('unix:/run/prices/app.sock', 0, 343)] }
  ]
}

const USERS = ['ada', 'grace', 'linus', 'margaret', 'ken', 'barbara', 'דנה', 'edsger', '李雷', 'tim']

function session (index: number, now: number, random: () => number): SessionRow {
  const isChat = index % 11 < 8
  const fromClient = Math.floor(random() * 900)
  const fromTarget = isChat ? fromClient * 3 + 12 : 4_000 + Math.floor(random() * 90_000)
  return {
    id: `019ac3f2-${(index * 7_919).toString(16).padStart(8, '0')}`,
    route: isChat ? '/chat/:room' : '/live/prices',
    upstream: isChat ? 'chat' : 'prices',
    target: isChat ? `http://10.0.6.${index % 2 === 0 ? 31 : 32}:3000` : 'unix:/run/prices/app.sock',
    client: index % 5 === 0 ? `2001:db8:${(index % 7 + 1).toString(16)}::${(index + 16).toString(16)}` : `203.0.113.${1 + index * 37 % 250}`,
    user: isChat && index % 3 !== 0 ? USERS[index % USERS.length]! : null,
    reconnects: 0,
    subprotocol: isChat ? 'graphql-transport-ws' : null,
    openedAt: now - 4_000 - Math.floor((1_284 - index) ** 1.5 * 340),
    messagesFromClient: isChat ? fromClient : 1,
    messagesFromTarget: fromTarget,
    bytesFromClient: isChat ? fromClient * 146 : 61,
    bytesFromTarget: fromTarget * 88,
    rateFromClient: isChat ? Math.floor(random() * 420) : 0,
    rateFromTarget: Math.floor(random() * (isChat ? 1_800 : 5_200))
  }
}

function events (now: number): GatewayEvent[] {
  const ago = (minutes: number): number => now - minutes * 60_000
  return [
    { at: ago(0.05), kind: 'error', level: 'warn', text: 'POST 502: SLUICE_TARGET_UNREACHABLE, connect ECONNREFUSED 10.0.5.22:8080', route: '/api/orders/*', upstream: 'orders', target: 'http://10.0.5.22:8080', count: 38 },
    { at: ago(1.8), kind: 'target', level: 'warn', text: 'ready, healthy → ready, down: connect ECONNREFUSED 10.0.5.22:8080', upstream: 'orders', target: 'http://10.0.5.22:8080', count: 1 },
    { at: ago(2.1), kind: 'error', level: 'warn', text: 'GET 504: SLUICE_RESPONSE_TIMEOUT, no response headers within 60000 ms', route: '/api/orders/*', upstream: 'orders', target: 'http://10.0.5.22:8080', count: 6 },
    { at: ago(9), kind: 'session', level: 'warn', text: 'a session ended by gateway: ping-timeout (1006)', route: '/chat/:room', upstream: 'chat', target: 'http://10.0.6.31:3000', count: 4 },
    { at: ago(21), kind: 'target', level: 'info', text: 'ready, healthy → drain, healthy', upstream: 'chat', target: 'http://10.0.6.32:3000', count: 1 },
    { at: ago(34), kind: 'reload', level: 'info', text: 'reloaded: 1 route changed', count: 1 },
    { at: ago(35), kind: 'reload', level: 'error', text: "sluice.yaml:14: 'upstream' is not a valid name of an upstream, got 'ordes'. Did you mean 'orders'?", count: 1 }
  ]
}
