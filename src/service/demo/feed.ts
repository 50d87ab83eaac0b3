import type { WebSocket } from '@fastify/websocket'
import type { FastifyRequest } from 'fastify'
import { version } from '../../manifest.js'
import type { Exchange, Outcome } from '../../proxy/exchange.js'
import type { Observer } from '../../proxy/observer.js'
import { shownHeaders } from './headers.js'
import { lineMaker, type DemoLine } from './log-lines.js'
import type { Ended, FeedCommand, FeedMessage, Started } from './protocol.js'

/** Pages at a time. */
const MOST_PAGES = 32
/** Events of each kind that are kept, and that are sent at once; of more, the last ones are. */
const MOST_EVENTS = 50
/** Milliseconds in which events are gathered. */
const GATHERED = 30
/** Bytes that may wait for a page that does not read. */
const MOST_WAITING = 1_048_576

/** The text of a line is made only when it is sent. */
type KeptEvent = Started | (Omit<Ended, 'line'> & { line: DemoLine })

/** Tells open pages, live, what becomes of the exchanges on some routes. */
export class DemoFeed implements Observer {
  readonly #routes: ReadonlySet<string>
  readonly #rate: number
  readonly #onCommand: (command: FeedCommand) => void
  readonly #pages = new Set<WebSocket>()
  readonly #lineOf = lineMaker()
  readonly #kept = { start: [] as KeptEvent[], end: [] as KeptEvent[] }
  #fresh: KeptEvent[] = []
  #timer: NodeJS.Timeout | undefined

  /**
   * @param routes The URL patterns of the demo's routes. What happens on others is told to nobody.
   * @param rate Messages a second that a page may send for long, and twice as many at once.
   */
  constructor (routes: readonly string[], rate: number, onCommand: (command: FeedCommand) => void) {
    this.#routes = new Set(routes)
    this.#rate = rate
    this.#onCommand = onCommand
  }

  /** A page has connected. */
  add (socket: WebSocket): void {
    if (this.#pages.size >= MOST_PAGES) return socket.close(1013, 'too many pages are open')
    this.#pages.add(socket)
    socket.once('close', () => this.#pages.delete(socket))
    // 'close' follows.
    socket.on('error', () => {})
    socket.on('message', data => { this.#onMessage(socket, String(data)) })
    send(socket, { type: 'hello', version: version(), rate: this.#rate, events: [...this.#kept.start, ...this.#kept.end] })
  }

  onStart ({ kind, route, request }: Exchange): void {
    if (!this.#routes.has(route)) return
    const { id, method, url, ip, raw } = request as FastifyRequest
    this.#note({
      type: 'start', id, kind, method, url, httpVersion: raw.httpVersion, client: `${ip}:${raw.socket.remotePort}`, headers: shownHeaders(raw.rawHeaders)
    })
  }

  onEnd (exchange: Exchange, outcome: Outcome): void {
    const { route, request, responseHeaders = [] } = exchange
    if (!this.#routes.has(route)) return
    const { by, reason, status = null, session } = outcome
    this.#note({
      type: 'end',
      id: request.id,
      url: request.url,
      by,
      reason,
      status,
      closeSent: session === undefined ? null : { client: session.closeSent.client ?? null, target: session.closeSent.target ?? null },
      headers: shownHeaders(responseHeaders),
      line: this.#lineOf(exchange, outcome)
    })
    // A reload has put another app in the place of this one, which would live as long as a page is connected to it.
    if (reason === 'removed') this.close()
  }

  /** Has all pages connect again. A page that does not respond to the Close must hold nothing up. */
  close (): void {
    this.#flush()
    for (const page of this.#pages) {
      page.close(1012)
      page.terminate()
    }
  }

  #onMessage (socket: WebSocket, text: string): void {
    let command: unknown
    try {
      command = JSON.parse(text)
    } catch {
      // Refused below, as whatever else is not a command.
    }
    if (isCommand(command)) this.#onCommand(command)
    else socket.close(1008, 'not a command')
  }

  #note (event: KeptEvent): void {
    const kept = this.#kept[event.type]
    kept.push(event)
    if (kept.length > MOST_EVENTS) kept.shift()
    if (this.#pages.size === 0) return
    this.#fresh.push(event)
    if (this.#fresh.length > 2 * MOST_EVENTS) this.#fresh.shift()
    this.#timer ??= setTimeout(() => this.#flush(), GATHERED).unref()
  }

  #flush (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#fresh.length === 0) return
    const message = { type: 'events' as const, events: this.#fresh }
    this.#fresh = []
    for (const page of this.#pages) send(page, message)
  }
}

function isCommand (value: unknown): value is FeedCommand {
  return typeof value === 'object' && value !== null && (value as { type?: unknown }).type === 'drain'
}

/** What a page that does not read would have got, it gets when it connects again. */
function send (page: WebSocket, message: Replaced<FeedMessage>): void {
  if (page.bufferedAmount > MOST_WAITING) page.terminate()
  else if (page.readyState === page.OPEN) page.send(JSON.stringify(message))
}

type Replaced<Message> = Message extends { events: unknown } ? Omit<Message, 'events'> & { events: KeptEvent[] } : Message
