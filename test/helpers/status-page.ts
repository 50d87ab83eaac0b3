import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { WebSocketServer, type WebSocket } from 'ws'
import type { ClientMessage, GatewayEvent, Point, RouteRow, ServerMessage, SessionFilter, SessionRow, SessionView, UpstreamRow } from '../../src/admin/page/protocol.js'
import { listen, type Teardown } from './backends.js'
import { REPOSITORY } from './consumer.js'

/** As the admin listener sends it. */
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
const FILES: Record<string, string> = { 'index.html': 'text/html', 'page.js': 'text/javascript', 'page.css': 'text/css' }

/** What a made-up gateway says of itself. */
export interface MadeUp {
  state: string
  startedAt: number
  points: Point[]
  routes: RouteRow[]
  upstreams: UpstreamRow[]
  sessions: SessionRow[]
  events: GatewayEvent[]
}

/** A server of the status page whose gateway is made up, for what a real one cannot easily be brought to. */
export class MadeUpGateway {
  readonly data: MadeUp
  url = ''
  /** What the page has asked to be changed: method, path and body. */
  readonly changes: string[] = []
  readonly #feeds = new Map<WebSocket, SessionView>()

  constructor (data: Partial<MadeUp> = {}) {
    this.data = { state: 'serving', startedAt: Date.now() - 11_520_000, points: [], routes: [], upstreams: [], sessions: [], events: [], ...data }
  }

  async start (t: Teardown): Promise<this> {
    const sockets = new WebSocketServer({ noServer: true })
    const server = createServer((request, response) => {
      this.#respond(request, response).catch((error: Error) => response.writeHead(500).end(error.stack))
    })
    server.on('upgrade', (request, socket, head) => sockets.handleUpgrade(request, socket, head, feed => this.#open(feed)))
    this.url = `${(await listen(t, server)).url}/`
    const ticking = setInterval(() => this.tick(), 1_000)
    t.teardown(() => {
      clearInterval(ticking)
      for (const socket of sockets.clients) socket.terminate()
    })
    return this
  }

  /** A second is over: all pages get everything. */
  tick (point: Partial<Point> = {}): void {
    const { points, sessions, state } = this.data
    const made: Point = { ...QUIET, ...points.at(-1), at: Date.now(), sessions: sessions.length, ...point }
    points.push(made)
    for (const [feed, view] of this.#feeds) {
      send(feed, { type: 'tick', point: made, state, reload: null, workers: null })
      this.#sendLists(feed, view)
    }
  }

  event (event: GatewayEvent): void {
    for (const feed of this.#feeds.keys()) send(feed, { type: 'event', event })
  }

  /** Ends the connections of all pages. */
  drop (): void {
    for (const feed of this.#feeds.keys()) feed.terminate()
  }

  #open (feed: WebSocket): void {
    const { startedAt, points, events } = this.data
    const view: SessionView = { filter: {}, sort: 'age', descending: true, offset: 0, limit: 50 }
    this.#feeds.set(feed, view)
    feed.on('close', () => this.#feeds.delete(feed))
    feed.on('message', data => {
      const { sessions } = JSON.parse(String(data)) as ClientMessage
      this.#feeds.set(feed, sessions)
      this.#sendSessions(feed, sessions)
    })
    send(feed, { type: 'hello', version: '0.1.0', startedAt, points, events })
    this.#sendLists(feed, view)
  }

  #sendLists (feed: WebSocket, view: SessionView): void {
    const { routes, upstreams } = this.data
    send(feed, { type: 'routes', routes })
    send(feed, { type: 'upstreams', upstreams })
    this.#sendSessions(feed, view)
  }

  #sendSessions (feed: WebSocket, { filter, sort, descending, offset, limit }: SessionView): void {
    const found = this.#matching(filter).sort((one, other) => compare(ORDERS[sort](one), ORDERS[sort](other)))
    if (descending) found.reverse()
    send(feed, { type: 'sessions', total: this.data.sessions.length, matching: found.length, offset, sessions: found.slice(offset, offset + limit) })
  }

  #matching ({ text = '', ...exact }: SessionFilter): SessionRow[] {
    return this.data.sessions.filter(session =>
      JSON.stringify(Object.values(session)).toLowerCase().includes(text.toLowerCase()) &&
      Object.entries(exact).every(([name, value]) => session[name as keyof typeof exact] === value))
  }

  async #respond (request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Behind any prefix.
    const [path = '', query = ''] = request.url!.slice(1).replace(/^admin\/sluice\//, '').split('?')
    const file = path === '' ? 'index.html' : path
    if (FILES[file] !== undefined) {
      response.writeHead(200, { 'content-type': `${FILES[file]}; charset=utf-8`, 'content-security-policy': POLICY })
      response.end(await readFile(`${REPOSITORY}dist/admin-page/${file}`))
      return
    }
    let body = ''
    for await (const chunk of request.setEncoding('utf8')) body += chunk
    this.changes.push([request.method, path, query, body].join(' ').trim())
    const result = this.#change(request.method!, path, body)
    response.writeHead(result === undefined ? 404 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(result ?? { error: 'Not Found', message: 'There is no such thing.' }))
    this.tick()
  }

  #change (method: string, path: string, body: string): object | undefined {
    const [, one, name = '', more] = path.split('/').map(decodeURIComponent)
    const given = body === '' ? {} : JSON.parse(body)
    if (method === 'DELETE' && one === 'sessions') return this.#close(session => session.id === name)
    if (path === 'api/sessions/close') {
      const closed = new Set(this.#matching(given.filter))
      return this.#close(session => closed.has(session))
    }
    if (path === 'api/reload') return { ok: true, text: 'The configuration has been read again.' }
    if (method === 'PATCH' && more === 'targets') {
      const target = this.data.upstreams.find(upstream => upstream.name === name)?.targets.find(target => target.url === given.url)
      return target && Object.assign(target, given, { since: Date.now() })
    }
    return undefined
  }

  #close (isMeant: (session: SessionRow) => boolean): { closed: number } | undefined {
    const before = this.data.sessions.length
    this.data.sessions = this.data.sessions.filter(session => !isMeant(session))
    const closed = before - this.data.sessions.length
    return closed === 0 ? undefined : { closed }
  }
}

const ORDERS: Record<SessionView['sort'], (session: SessionRow) => number | string> = {
  age: ({ openedAt }) => openedAt,
  rate: ({ rateFromClient, rateFromTarget }) => rateFromClient + rateFromTarget,
  messages: ({ messagesFromClient, messagesFromTarget }) => messagesFromClient + messagesFromTarget,
  route: ({ route }) => route,
  client: ({ client }) => client
}

function compare (one: number | string, other: number | string): number {
  return one < other ? -1 : one > other ? 1 : 0
}

function send (feed: WebSocket, message: ServerMessage): void {
  feed.send(JSON.stringify(message))
}

const QUIET: Point = { at: 0, requests: 0, errors: 0, handshakes: 0, messagesFromClients: 0, messagesFromTargets: 0, bytesFromClients: 0, bytesFromTargets: 0, sessions: 0, p50: null, p99: null, eventLoop: 1 }

/** A session like many. */
export function madeUpSession (index: number, more: Partial<SessionRow> = {}): SessionRow {
  return {
    id: `s${index}`,
    route: '/chat/*',
    upstream: 'chat',
    target: `http://10.0.0.${1 + index % 4}:3000`,
    client: `192.0.2.${index % 250}`,
    user: null,
    subprotocol: null,
    reconnects: 0,
    openedAt: Date.now() - 1_000 * (1 + index % 7_000),
    messagesFromClient: index,
    messagesFromTarget: 2 * index,
    bytesFromClient: 40 * index,
    bytesFromTarget: 900 * index,
    rateFromClient: index % 97,
    rateFromTarget: index % 1_013,
    ...more
  }
}
