import { EventEmitter } from 'node:events'
import type { SessionEnd, WebSocketSession } from '../types.js'
import type { LiveSession } from '../websocket/live-session.js'

/** Events that a hook may listen to. The last is never emitted: an error ends the session, and is in its `onSessionEnd`. */
const EVENTS = new Set<string | symbol>(['close', 'error', 'newListener', 'removeListener'])

/** What can be done in the place of something that a socket of ws has. */
const INSTEAD: Record<string, string> = {
  message: "'wsHooks.onIncomingMessage' and 'wsHooks.onOutgoingMessage' get the messages",
  ping: "pings are relayed, and 'passthrough.pingInterval' has the gateway send its own",
  pong: "pongs are relayed; 'wsHooks.onPong' hears those of the target to the gateway",
  pause: 'the relay reads no faster than the other side takes it, without being asked',
  resume: 'the relay reads no faster than the other side takes it, without being asked'
}

/**
 * One side of a session, for code that was written for a socket of the package ws: what `wsHooks` get as `source` and
 * `target`. What has no meaning on a session that is relayed throws, and says what to use.
 */
export class SessionSocket extends EventEmitter {
  static readonly CONNECTING = 0
  static readonly OPEN = 1
  static readonly CLOSING = 2
  static readonly CLOSED = 3
  readonly CONNECTING = 0
  readonly OPEN = 1
  readonly CLOSING = 2
  readonly CLOSED = 3
  /** The subprotocol that the target has chosen; '' for none. */
  readonly protocol: string
  /** The origin of the target; undefined for the client, as in ws. */
  readonly url: string | undefined
  readonly isPaused = false
  readonly #session: WebSocketSession
  readonly #side: 'client' | 'target'
  #isOpen = true
  #isClosing = false

  constructor (session: WebSocketSession, side: 'client' | 'target') {
    super()
    this.#session = session
    this.#side = side
    this.protocol = session.subprotocol ?? ''
    this.url = side === 'target' ? session.target : undefined
    this.on('newListener', event => { if (!EVENTS.has(event)) throw notHere(`the event '${String(event)}'`, String(event)) })
  }

  get readyState (): 1 | 2 | 3 {
    return this.#isOpen ? this.#isClosing ? 2 : 1 : 3
  }

  /**
   * Ends the session: both sides are sent Close.
   *
   * @param code Default: 1000.
   * @throws {RangeError} for a code that may not stand on the wire, or a reason too long.
   */
  close (code?: number, reason?: string | Buffer): void {
    if (!this.#isOpen) return
    this.#session.close(code, reason === undefined ? undefined : String(reason))
    this.#isClosing = true
  }

  /** Ends the session at once: both connections are destroyed. */
  terminate (): void {
    if (!this.#isOpen) return
    this.#isClosing = true
    ;(this.#session as LiveSession).relay.destroy(undefined, 'application')
  }

  /**
   * Sends this side a message, as soon as no other one to it is open.
   *
   * @param data A string for a text message, anything else of ws for a binary one.
   * @param options `binary` says otherwise; what compresses or fragments has no effect.
   * @param callback Called with an error if it is not sent: the session is ending, or more than 1 MiB waits for this side.
   */
  send (data: unknown, options?: { binary?: boolean } | ((error?: Error) => void), callback?: (error?: Error) => void): void {
    const done = typeof options === 'function' ? options : callback
    const bytes = bytesOf(data)
    const { binary = typeof data !== 'string' && typeof data !== 'number' } = typeof options === 'object' ? options : {}
    const isSent = this.#isOpen && this.#session.send(this.#side, binary ? bytes : bytes.toString())
    if (done !== undefined) process.nextTick(done, isSent ? undefined : new Error(`the session cannot send to the ${this.#side}: it is ending, or too much waits for that side`))
  }

  /** For the gateway: the session has ended. */
  end ({ by, code, closeSent }: SessionEnd): void {
    this.#isOpen = false
    this.emit('close', by === this.#side ? code : closeSent[this.#side] ?? 1006, Buffer.alloc(0))
  }

  ping (): never { throw notHere('ping()', 'ping') }
  pong (): never { throw notHere('pong()', 'pong') }
  pause (): never { throw notHere('pause()', 'pause') }
  resume (): never { throw notHere('resume()', 'resume') }
  addEventListener (event: string): never { throw notHere('addEventListener()', event, `use on('${event}')`) }
  removeEventListener (event: string): never { throw notHere('removeEventListener()', event, `use off('${event}')`) }
}

// A listener that is assigned would silently never be called.
for (const event of ['open', 'message', 'close', 'error']) {
  Object.defineProperty(SessionSocket.prototype, `on${event}`, {
    get: () => null,
    set: () => { throw notHere(`on${event}`, event, EVENTS.has(event) ? `use on('${event}')` : INSTEAD[event]) }
  })
}

function bytesOf (data: unknown): Buffer {
  if (data === undefined || data === null) return Buffer.alloc(0)
  if (data instanceof ArrayBuffer) return Buffer.from(data)
  if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  return Buffer.from(String(data))
}

function notHere (what: string, name: string, instead = INSTEAD[name]): TypeError {
  return new TypeError(`A socket of a session that the gateway relays has no ${what}${instead === undefined ? '' : `: ${instead}`}.`)
}
