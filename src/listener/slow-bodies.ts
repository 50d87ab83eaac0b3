import { IncomingMessage } from 'node:http'

/** How slowly a client may send a body. */
export interface BodyPace {
  /** Milliseconds that it may take. */
  timeout: number
  /** Bytes that give it a second more. */
  rate: number
}

interface Body {
  /** What the connection had read before it: the head, and what of the body came in one packet with that. */
  before: number
  /** Milliseconds that its client was waited for. */
  waited: number
}

/**
 * Watches the bodies of requests. A limit on the whole time would cut long uploads, one on the pauses would
 * let a client send a byte now and then for ever; so the time that a body may take grows with what has come.
 */
export class SlowBodies {
  readonly #pace: BodyPace
  readonly #interval: number
  readonly #onSlow: (request: IncomingMessage) => void
  readonly #bodies = new Map<IncomingMessage, Body>()
  #timer: NodeJS.Timeout | undefined

  /** @param interval Milliseconds between two looks. */
  constructor (pace: BodyPace, interval: number, onSlow: (request: IncomingMessage) => void) {
    this.#pace = pace
    this.#interval = interval
    this.#onSlow = onSlow
  }

  /** Watches a request whose head has just been read. */
  add (request: IncomingMessage): void {
    // A request of app.inject() comes over no connection, and is whole from the beginning.
    if (!(request instanceof IncomingMessage)) return
    this.#bodies.set(request, { before: request.socket.bytesRead, waited: 0 })
    request.once('close', () => this.#delete(request))
    this.#timer ??= setInterval(() => this.#look(), this.#interval).unref()
  }

  #delete (request: IncomingMessage): void {
    this.#bodies.delete(request)
    if (this.#bodies.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #look (): void {
    const { timeout, rate } = this.#pace
    for (const [request, body] of this.#bodies) {
      // What lies here unread is not waited for.
      if (request.complete || request.readableLength > 0) continue
      body.waited += this.#interval
      const received = request.socket.bytesRead - body.before
      if (body.waited <= timeout + received / rate * 1000) continue
      this.#delete(request)
      this.#onSlow(request)
    }
  }
}
