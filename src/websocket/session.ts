import type { Duplex } from 'node:stream'
import { Direction, type DirectionEvents } from './direction.js'
import { CloseCode } from './frames.js'

/** Who ended a session. */
export type EndedBy = 'client' | 'target' | 'gateway'

/**
 * Why a session ended:
 * - `close`: a peer sent a Close frame;
 * - `lost`: a peer went away without one;
 * - `protocol-error`: a peer broke RFC 6455;
 * - `shutdown`: the gateway stopped.
 */
export type EndReason = 'close' | 'lost' | 'protocol-error' | 'shutdown'

/** How a session ended, and what passed through it. The numbers of one log line. */
export interface SessionEnd {
  by: EndedBy
  reason: EndReason
  /** The close code: as sent by the peer or by the gateway; 1005 for a Close without one, 1006 for none at all. */
  code: number
  /** Milliseconds from the relayed 101 to the last socket's end. */
  duration: number
  /** What the client sent. */
  fromClient: Traffic
  /** What the target sent. */
  fromTarget: Traffic
}

/** What passed one way. */
export interface Traffic {
  frames: number
  messages: number
  /** Bytes on the wire, frame headers included. */
  bytes: number
}

export interface SessionOptions {
  client: Duplex
  target: Duplex
  /** RSV bits that a negotiated extension uses, as they stand in a frame's first byte. */
  allowedRsv: number
  /** Milliseconds a peer may take to answer a Close. */
  closeTimeout: number
  onEnd (end: SessionEnd): void
}

/**
 * One open WebSocket: the relay between its two connections, and the rules of its ending.
 *
 * However it ends, each peer that can still be written to is told a Close at a frame boundary, and both
 * sockets are gone after at most two standstills of `closeTimeout`: one until Close is said in the place of
 * whoever failed to, one until the socket is destroyed.
 */
export class Session implements DirectionEvents {
  readonly #client: Duplex
  readonly #target: Duplex
  readonly #upward: Direction
  readonly #downward: Direction
  readonly #options: SessionOptions
  readonly #openedAt = performance.now()
  #cause: Pick<SessionEnd, 'by' | 'reason' | 'code'> | undefined
  #messagesBeforeEnd = 0
  #timer: NodeJS.Timeout | undefined
  #lastCall = false
  #openSockets = 2

  constructor (options: SessionOptions) {
    const { client, target, allowedRsv } = options
    this.#options = options
    this.#client = client
    this.#target = target
    this.#upward = new Direction(client, target, { masked: true, allowedRsv }, this)
    this.#downward = new Direction(target, client, { masked: false, allowedRsv }, this)
  }

  /** Begins to relay. Both sockets must be open, with nothing but frames to be read from them. */
  start (): void {
    for (const socket of [this.#client, this.#target]) {
      // An error is followed by 'close', which is where it is dealt with.
      socket.on('error', () => {})
      socket.on('close', () => this.#onSocketClose(socket))
    }
    this.#upward.start()
    this.#downward.start()
    // A socket that was lost between the 101 and now has had its 'close'.
    for (const socket of [this.#client, this.#target]) if (socket.closed) this.#onSocketClose(socket)
  }

  /**
   * Ends the session: each side is told Close as soon as no message to it is open.
   *
   * @param code A close code that may stand on the wire.
   * @param reason At most 123 bytes; it must not tell anything internal.
   */
  close (code: number, reason: string): void {
    this.#beginEnd('gateway', 'shutdown', code)
    this.#upward.stop(code, reason)
    this.#downward.stop(code, reason)
  }

  /** Ends the session at once: a Close where one is possible, then both sockets are destroyed. */
  destroy (): void {
    this.#beginEnd('gateway', 'shutdown', CloseCode.goingAway)
    this.#upward.stopNow(CloseCode.goingAway, '')
    this.#downward.stopNow(CloseCode.goingAway, '')
    this.#client.destroy()
    this.#target.destroy()
  }

  onProgress (direction: Direction): void {
    if (this.#timer === undefined || direction.told) return
    // Behind the message that was open, a peer's Close is to be answered (RFC 6455 §5.5.1).
    if (this.#cause!.reason === 'close' && this.#messages !== this.#messagesBeforeEnd) return
    // What counts is standstill: the last of a long message may still be on its way.
    this.#timer.refresh()
  }

  onClose (direction: Direction): void {
    this.#beginEnd(this.#nameOf(direction.source), 'close', direction.scanner.close!.code)
    this.#finish()
  }

  onTold (): void {
    this.#finish()
  }

  onViolation (direction: Direction, violation: string): void {
    this.#beginEnd(this.#nameOf(direction.source), 'protocol-error', CloseCode.protocolError)
    // Whoever broke the protocol hears of it; to the other side its peer is simply lost.
    this.#reverse(direction).stopNow(CloseCode.protocolError, violation)
    direction.stopNow(this.#lossCode(direction), '')
    this.#finish()
  }

  onEnd (direction: Direction): void {
    this.#beginEnd(this.#nameOf(direction.source), 'lost', CloseCode.abnormal)
    direction.stopNow(this.#lossCode(direction), '')
    this.#finish()
  }

  #onSocketClose (socket: Duplex): void {
    const from = socket === this.#client ? this.#upward : this.#downward
    from.ended = true
    this.#reverse(from).sinkLost()
    this.#beginEnd(this.#nameOf(socket), 'lost', CloseCode.abnormal)
    from.stopNow(this.#lossCode(from), '')
    this.#openSockets--
    if (this.#openSockets > 0) {
      this.#finish()
    } else {
      clearTimeout(this.#timer)
      this.#options.onEnd(this.#report())
    }
  }

  /** Ends each socket whose part in the close handshake is done (RFC 6455 §7.1.1). */
  #finish (): void {
    // The server's side of a connection ends first, so the client is not waited for.
    const clientDone = this.#upward.scanner.close !== undefined || this.#upward.ended || this.#upward.scanner.violation !== undefined
    if (this.#downward.told && clientDone) this.#client.end()
    // The target ends first; a client that has left is not going to see that, though.
    if (this.#upward.told && (this.#downward.ended || this.#upward.ended)) this.#target.end()
  }

  #beginEnd (by: EndedBy, reason: EndReason, code: number): void {
    if (this.#cause !== undefined) return
    this.#cause = { by, reason, code }
    this.#messagesBeforeEnd = this.#messages
    this.#timer = setTimeout(() => this.#onStandstill(), this.#options.closeTimeout)
  }

  #onStandstill (): void {
    if (this.#lastCall) {
      this.#client.destroy()
      this.#target.destroy()
      return
    }
    this.#lastCall = true
    // A peer that has said Close gets its own code back, in the place of the one that does not answer.
    const code = this.#cause!.reason === 'close' ? this.#cause!.code : CloseCode.goingAway
    this.#upward.stopNow(code, '')
    this.#downward.stopNow(code, '')
    this.#finish()
    this.#timer!.refresh()
  }

  /** Messages that have passed, both ways. */
  get #messages (): number {
    return this.#upward.scanner.messages + this.#downward.scanner.messages
  }

  #lossCode (direction: Direction): number {
    return direction === this.#upward ? CloseCode.goingAway : CloseCode.targetLost
  }

  #reverse (direction: Direction): Direction {
    return direction === this.#upward ? this.#downward : this.#upward
  }

  #nameOf (socket: Duplex): 'client' | 'target' {
    return socket === this.#client ? 'client' : 'target'
  }

  #report (): SessionEnd {
    return {
      ...this.#cause!,
      duration: Math.round(performance.now() - this.#openedAt),
      fromClient: traffic(this.#upward),
      fromTarget: traffic(this.#downward)
    }
  }
}

function traffic ({ scanner, wireBytes }: Direction): Traffic {
  return { frames: scanner.frames, messages: scanner.messages, bytes: wireBytes }
}
