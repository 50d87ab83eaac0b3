import type { WebSocket } from '@fastify/websocket'
import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { RecentEvent } from './recent-events.js'
import { routeRow } from './route-list.js'
import type { Sampler } from './sampler.js'
import { SessionFilter, SessionOrder, type SessionView } from './session-list.js'
import type { AdminSource } from './source.js'

/** What a page asks to see of the sessions. */
const View = Type.Object({
  type: Type.Literal('view'),
  sessions: Type.Object({
    filter: SessionFilter,
    sort: SessionOrder,
    descending: Type.Boolean(),
    offset: Type.Integer({ minimum: 0 }),
    limit: Type.Integer({ minimum: 1, maximum: 100 })
  })
})

/** Bytes that may wait for a page that does not read; until it does, it is sent nothing more. */
const MOST_WAITING = 1_048_576
/** Seconds after which such a page is taken for gone. It connects again when it is not. */
const PATIENCE = 30

/** What all feeds read from. */
export interface FeedSources {
  readonly source: AdminSource
  readonly sampler: Sampler
  readonly version: string
}

/** Messages that are made once for all pages, as their texts. */
export interface FeedLists {
  routes: string
  upstreams: string
}

/** @returns The lists as they are now. */
export async function feedLists (source: AdminSource, sampler: Sampler): Promise<FeedLists> {
  const [routes, upstreams] = await Promise.all([source.routes(), source.upstreams()])
  return {
    routes: JSON.stringify({ type: 'routes', routes: routes.map(route => routeRow(route, sampler.routes.get(route.url))) }),
    upstreams: JSON.stringify({ type: 'upstreams', upstreams })
  }
}

/** A status page that is open, and what it is sent: everything once, and then what is new, once a second. */
export class Feed {
  readonly #socket: WebSocket
  readonly #sources: FeedSources
  #view: SessionView = { filter: {}, sort: 'age', descending: true, offset: 0, limit: 50 }
  /** What was sent of each kind that is sent only when it has changed. */
  readonly #last = new Map<string, string>()
  /** Seconds in which the page has not read. */
  #stalled = 0
  #listing = false
  #again = false

  constructor (socket: WebSocket, sources: FeedSources) {
    this.#socket = socket
    this.#sources = sources
    socket.on('message', data => { this.#onMessage(String(data)) })
    // 'close' follows.
    socket.on('error', () => {})
    const { sampler, version, source } = sources
    this.#send({ type: 'hello', version, startedAt: source.startedAt, points: sampler.points, events: source.events() })
    this.sample([])
  }

  /** A second is over, in which this has happened. */
  sample (events: readonly RecentEvent[]): void {
    if (!this.#isReading) {
      if (++this.#stalled >= PATIENCE) this.close()
      return
    }
    this.#stalled = 0
    const { source, sampler } = this.#sources
    for (const event of events) this.#send({ type: 'event', event })
    const point = sampler.points.at(-1)
    if (point !== undefined) this.#send({ type: 'tick', point, state: source.state, reload: source.lastReload ?? null, workers: source.workers ?? null })
    this.#listSessions()
  }

  /** Sends the lists that have changed. */
  show ({ routes, upstreams }: FeedLists): void {
    this.#sendIfNew('routes', routes)
    this.#sendIfNew('upstreams', upstreams)
  }

  /** Ends it at once: a page that does not respond to the Close must hold nothing up. */
  close (): void {
    this.#socket.close(1001)
    this.#socket.terminate()
  }

  #onMessage (text: string): void {
    let view: unknown
    try {
      view = JSON.parse(text)
    } catch {
      // Refused below, as whatever else is not a view.
    }
    if (!Value.Check(View, view)) {
      this.#send({ type: 'error', text: 'The message is not a valid view.' })
      return
    }
    this.#view = (view as Static<typeof View>).sessions
    this.#listSessions()
  }

  /** One list at a time; of the views that come meanwhile, the last one counts. */
  #listSessions (): void {
    this.#again = this.#listing
    if (this.#listing) return
    this.#listing = true
    const { source } = this.#sources
    const view = this.#view
    source.listSessions(view).then(page => {
      this.#send({ type: 'sessions', offset: view.offset, ...page })
    }).catch((err: unknown) => source.log.error({ err }, 'the sessions for the status page could not be listed')).finally(() => {
      this.#listing = false
      if (this.#again) this.#listSessions()
    })
  }

  #sendIfNew (name: keyof FeedLists, text: string): void {
    if (text === this.#last.get(name) || !this.#isReading) return
    this.#last.set(name, text)
    this.#socket.send(text)
  }

  #send (message: object): void {
    if (this.#isReading) this.#socket.send(JSON.stringify(message))
  }

  get #isReading (): boolean {
    return this.#socket.readyState === this.#socket.OPEN && this.#socket.bufferedAmount < MOST_WAITING
  }
}
