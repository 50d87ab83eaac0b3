import { randomBytes } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { SessionRates } from '../../proxy/policy.js'
import type { EndedBy, EndReason, SessionEnd, Traffic } from '../../types.js'
import { ByteDirection } from './byte-direction.js'
import type { Direction } from './direction.js'
import { CloseCode, messageFrame, Opcode, type ScannerOptions } from './frames.js'
import { MessageDirection, type MessageEvents, type MessageHandling } from './message-direction.js'
import { beginRates, isWithin } from './rate.js'
import { TargetChange, type ChangingSession, type Replacement } from './target-change.js'
import { Watch, type WatchEvents, type WatchLimits } from './watch.js'

export interface SessionOptions {
  client: Duplex
  target: Duplex
  /** RSV bits that a negotiated extension uses, as they stand in a frame's first byte. */
  allowedRsv: number
  /** Milliseconds a peer may take to respond to a close frame. */
  closeTimeout: number
  /** Close codes of endings: for a peer whose other side is lost (default: no close frame at all), and by time (default: 1001). */
  codes?: { loss?: number | undefined, idle?: number | undefined, lifetime?: number | undefined }
  strict?: boolean | undefined
  maxFrameSize?: number | undefined
  maxMessageSize?: number | { fromClient?: number, fromTarget?: number } | undefined
  rates?: SessionRates | undefined
  /** What to watch for; nothing when left out. */
  watch?: Omit<WatchLimits, 'endsAt'>
  /** How messages are dealt with that a side sends; bytes are relayed as they come where it is left out. */
  messages?: { fromClient?: MessageHandling | undefined, fromTarget?: MessageHandling | undefined } | undefined
  /** How another target takes the place of one that is lost. Both sides' messages must be dealt with, then. */
  replacement?: Replacement | undefined
  /** To look at a message has failed. */
  onHookError?: ((error: unknown) => void) | undefined
  /** A peer has sent a Close frame. */
  onPeerClose?: ((from: 'client' | 'target', code: number, reason: string) => void) | undefined
  /** A peer has responded to a Ping of the gateway. */
  onPong?: ((from: 'client' | 'target') => void) | undefined
  /** When and why the session ends by itself: `at` as `performance.now()` counts. */
  end?: { at: number, reason: 'lifetime' | 'expired' } | undefined
  onEnd (end: SessionEnd): void
}

/** Endings that a peer might put off with a message that it never ends. */
const IMPATIENT: ReadonlySet<EndReason> = new Set<EndReason>(['rate', 'target-rate', 'expired', 'application'])

/**
 * One open WebSocket: the relay between its two connections, and the rules of its ending.
 *
 * An ending that a peer made is passed on as that peer made it: a Close as it is, a loss as the end of the other
 * connection, behind all that was relayed. Only an ending that the gateway makes has a code of the gateway's, sent at
 * a frame boundary. Both sockets are gone after at most two standstills of `closeTimeout`: one until Close is said in
 * the place of whoever failed to, one until the socket is destroyed.
 */
export class Session implements MessageEvents, WatchEvents {
  readonly #client: Duplex
  #target: Duplex
  readonly #clientToTarget: Direction
  readonly #targetToClient: Direction
  readonly #options: SessionOptions
  readonly #openedAt = performance.now()
  #cause: Pick<SessionEnd, 'by' | 'reason' | 'code'> | undefined
  #messagesBeforeEnd = 0
  #watch: Watch | undefined
  readonly #rates: SessionRates | undefined
  #timer: NodeJS.Timeout | undefined
  #lastCall = false
  /** What of a peer's last bytes waited for the other when it was last looked at, and since when. */
  #unsent = 0
  #unsentSince = 0
  readonly #openSockets: Set<Duplex>
  #change: TargetChange | undefined

  constructor (options: SessionOptions) {
    const { client, target, allowedRsv, strict = true, maxFrameSize = Infinity, maxMessageSize = Infinity } = options
    const { fromClient = Infinity, fromTarget = Infinity } = typeof maxMessageSize === 'number' ? { fromClient: maxMessageSize, fromTarget: maxMessageSize } : maxMessageSize
    const scanner = (masked: boolean): ScannerOptions => ({ masked, allowedRsv, strict, maxFrameSize, maxMessageSize: masked ? fromClient : fromTarget })
    this.#options = options
    this.#client = client
    this.#target = target
    this.#openSockets = new Set([client, target])
    const { messages, replacement } = options
    this.#clientToTarget = this.#direction(client, target, scanner(true), messages?.fromClient)
    this.#targetToClient = this.#direction(target, client, scanner(false), messages?.fromTarget)
    if (replacement !== undefined) this.#change = new TargetChange(replacement, this.#changing, target, options.closeTimeout)
    this.#rates = options.rates
  }

  #direction (source: Duplex, sink: Duplex, scanner: ScannerOptions, messages: MessageHandling | undefined): Direction {
    return messages === undefined ? new ByteDirection(source, sink, scanner, this) : new MessageDirection(source, sink, scanner, messages, this)
  }

  /** Whether another target can take the place of this one. */
  get canChangeTarget (): boolean {
    return this.#change !== undefined
  }

  /** How often another target has taken the place of one. */
  get reconnects (): number {
    return this.#change?.count ?? 0
  }

  /** What the client has sent so far. */
  get fromClient (): Traffic {
    return traffic(this.#clientToTarget)
  }

  /** What the target has sent so far. */
  get fromTarget (): Traffic {
    return traffic(this.#targetToClient)
  }

  /** Begins to relay. Both sockets must be open, with nothing but frames to be read from them. */
  start (): void {
    this.#listen(this.#client)
    this.#listen(this.#target)
    if (this.#rates !== undefined) beginRates(this.#rates, this.#clientToTarget, this.#targetToClient)
    this.#clientToTarget.start()
    this.#targetToClient.start()
    const { watch, end } = this.#options
    if (watch !== undefined) {
      this.#watch = new Watch({ ...watch, endsAt: end?.at ?? Infinity }, [this.#clientToTarget, this.#targetToClient], this.#ping, this)
      this.#watch.start()
    }
    // A socket that was lost between the 101 and now may have had its 'close'.
    for (const socket of this.#openSockets) if (socket.closed) process.nextTick(() => this.#onSocketClose(socket))
  }

  #listen (socket: Duplex): void {
    // An error is followed by 'close', which is where it is dealt with.
    socket.on('error', () => {})
    socket.on('close', () => this.#onSocketClose(socket))
  }

  /**
   * Sends one side a message of the gateway's own, between two others.
   *
   * @returns False if it is not sent: the session ends, or too much waits for that side.
   */
  send (to: 'client' | 'target', data: string | Buffer): boolean {
    if (this.#cause !== undefined) return false
    const isText = typeof data === 'string'
    const frame = messageFrame(isText ? Opcode.text : Opcode.binary, isText ? Buffer.from(data) : data, to === 'target')
    if (to === 'client') return this.#targetToClient.send(frame)
    return this.#change?.sendFirst(frame) ?? this.#clientToTarget.send(frame)
  }

  /**
   * Has another target take the place of this one, without the client's noticing.
   *
   * @param code The close code for this target, and, if no other is found, for the client.
   * @returns Whether that is under way. It is not for a session whose target cannot change.
   */
  changeTarget (reason: EndReason, code: number | undefined): boolean {
    if (this.#cause !== undefined || this.#change === undefined) return false
    return this.#change.move({ by: 'gateway', reason, code: code ?? CloseCode.abnormal, close: code === undefined ? undefined : { code, reason: '' } })
  }

  /**
   * Ends the session: each side gets a close frame as soon as no message to it is open.
   *
   * @param code A close code that may stand on the wire; undefined ends both connections without a Close frame.
   * @param text At most 123 bytes; it must not tell anything internal.
   */
  close (reason: EndReason, code: number | undefined, text = ''): void {
    this.#beginEnd('gateway', reason, code ?? CloseCode.abnormal)
    if (reason === 'application') {
      // A message whose hook ends the session does not go on.
      if (this.#clientToTarget instanceof MessageDirection) this.#clientToTarget.dropPending()
      if (this.#targetToClient instanceof MessageDirection) this.#targetToClient.dropPending()
    }
    this.#clientToTarget.stop(code, text)
    this.#targetToClient.stop(code, text)
  }

  /** Ends the session at once: a Close where one is possible, then both sockets are destroyed. */
  destroy (code: number | undefined, reason: EndReason = 'drain'): void {
    this.#beginEnd('gateway', reason, code ?? CloseCode.abnormal)
    this.#clientToTarget.stopNow(code, '')
    this.#targetToClient.stopNow(code, '')
    this.#client.destroy()
    this.#target.destroy()
  }

  onProgress (direction: Direction): void {
    if (this.#rates !== undefined) this.#holdToRate(this.#rates, direction)
    if (this.#timer === undefined || direction.sinkDone) return
    if (IMPATIENT.has(this.#cause!.reason)) return
    // After the message that was open, the peer's close frame gets its response (RFC 6455 §5.5.1).
    if (this.#cause!.reason === 'close' && this.#messages !== this.#messagesBeforeEnd) return
    // What counts is standstill: the last of a long message may still be on its way.
    this.#timer.refresh()
  }

  onBlocked (direction: Direction): void {
    this.#watch?.blocked(direction)
  }

  onCloseRead (direction: Direction): boolean {
    const { code, reason } = direction.scanner.close!
    this.#options.onPeerClose?.(this.#nameOf(direction), code, reason)
    if (direction === this.#clientToTarget || this.#cause !== undefined || this.#change?.takesOver(code) !== true) return false
    return this.#change.lose({ by: 'target', reason: 'close', code, close: { code, reason } }, true)
  }

  onClose (direction: Direction): void {
    const { code, reason } = direction.scanner.close!
    // Without a target, the gateway responds in its place.
    const isAlone = direction === this.#clientToTarget && this.#change?.pending === true && this.#cause === undefined
    this.#beginEnd(this.#nameOf(direction), 'close', code)
    if (isAlone) this.#targetToClient.stop(code, reason)
    this.#finish()
  }

  onOwnPong (direction: Direction): void {
    this.#options.onPong?.(this.#nameOf(direction))
  }

  onUnheardPing (_direction: Direction, payload: Buffer): void {
    // One that does not read gets no more of them.
    if (!this.#client.writableNeedDrain) this.#targetToClient.pong(payload)
  }

  onInspectError (direction: Direction, error: unknown): void {
    this.#options.onHookError?.(error)
    // A hook that has ended the session itself: its message goes nowhere, and each side is sent that Close.
    if (this.#cause?.reason === 'application') return
    this.#beginEnd('gateway', 'hook', CloseCode.internalError)
    this.#reverse(direction).stopNow(CloseCode.internalError, '')
    direction.stopNow(CloseCode.internalError, '')
    this.#finish()
  }

  onSinkDone (direction: Direction): void {
    if (this.#nameOf(direction) === this.#cause!.by) {
      this.#unsent = direction.sink.writableLength
      this.#unsentSince = performance.now()
    }
    this.#finish()
  }

  onViolation (direction: Direction, violation: string): void {
    const code = direction.scanner.violationCode
    this.#beginEnd(this.#nameOf(direction), code === CloseCode.tooBig ? 'too-big' : code === CloseCode.policy ? 'message' : 'protocol-error', code)
    // The gateway ends this, and both get the reason's code (RFC 6455 §7.4.1); the peer that violated the protocol gets the details.
    this.#reverse(direction).stopNow(code, violation)
    direction.stopBehind(code, '')
    this.#finish()
  }

  onEnd (direction: Direction): void {
    if (direction === this.#targetToClient && this.#loses('lost')) return
    if (direction.scanner.close === undefined) this.#reverse(direction).sinkEnded = true
    this.#beginEnd(this.#nameOf(direction), 'lost', CloseCode.abnormal)
    direction.stopBehind(this.#options.codes?.loss, '')
    // A client that has ended its half may still read. A target that has cannot respond to the client any more, and
    // waits for the end of its connection.
    if (direction === this.#targetToClient && direction.scanner.close === undefined) this.#clientToTarget.stopNow(undefined, '')
    this.#finish()
  }

  onIdle (): void {
    this.close('idle', this.#options.codes?.idle ?? CloseCode.goingAway)
  }

  onTimeUp (): void {
    const { reason } = this.#options.end!
    this.close(reason, reason === 'expired' ? CloseCode.policy : this.#options.codes?.lifetime ?? CloseCode.goingAway)
  }

  onSilence (direction: Direction): void {
    if (direction === this.#targetToClient && this.#loses('ping-timeout')) return
    this.#beginEnd(this.#nameOf(direction), 'ping-timeout', CloseCode.abnormal)
    // Its 'close' event tells the other side.
    direction.source.destroy()
  }

  onStall (direction: Direction): void {
    if (direction === this.#clientToTarget && this.#loses('stalled')) return
    this.#beginEnd(this.#nameOf(this.#reverse(direction)), 'stalled', CloseCode.abnormal)
    direction.sink.destroy()
  }

  /** Pings the source of a direction, with a payload by which its Pong is known. */
  readonly #ping = (direction: Direction): boolean => {
    direction.scanner.ownPing ??= randomBytes(8)
    return this.#reverse(direction).ping(direction.scanner.ownPing)
  }

  #holdToRate (rates: SessionRates, direction: Direction): void {
    const isClient = direction === this.#clientToTarget
    const rate = isClient ? rates.client : rates.target
    if (rate === undefined || isWithin(rate, direction)) return
    this.close(isClient ? 'rate' : 'target-rate', CloseCode.policy)
    // A message without an end, of frames without payload for example, is not waited for.
    if (direction.scanner.atFrameBoundary) direction.stopNow(CloseCode.policy, '')
  }

  /** The target is lost. Gives whether another takes its place. */
  #loses (reason: EndReason): boolean {
    if (this.#change === undefined || this.#cause !== undefined) return false
    const { loss } = this.#options.codes ?? {}
    return this.#change.lose({ by: 'target', reason, code: CloseCode.abnormal, close: loss === undefined ? undefined : { code: loss, reason: '' } }, false)
  }

  /** What a change of the target does here. */
  get #changing (): ChangingSession {
    return {
      clientToTarget: this.#clientToTarget as MessageDirection,
      targetToClient: this.#targetToClient as MessageDirection,
      leave: () => { this.#openSockets.delete(this.#target) },
      join: socket => {
        this.#target = socket
        this.#openSockets.add(socket)
        this.#listen(socket)
        this.#watch?.look()
      },
      giveUp: ({ by, reason, code, close }) => {
        this.#beginEnd(by, reason, code)
        this.#clientToTarget.sinkLost()
        this.#targetToClient.stopBehind(close?.code, close?.reason ?? '')
        this.#finish()
      }
    }
  }

  #onSocketClose (socket: Duplex): void {
    if (socket === this.#target && this.#openSockets.has(socket) && this.#loses('lost')) return
    if (!this.#openSockets.delete(socket)) return
    const from = socket === this.#client ? this.#clientToTarget : this.#targetToClient
    from.ended = true
    this.#reverse(from).sinkLost()
    this.#beginEnd(this.#nameOf(from), 'lost', CloseCode.abnormal)
    from.stopBehind(this.#options.codes?.loss, '')
    if (this.#openSockets.size > 0) {
      this.#finish()
    } else {
      clearTimeout(this.#timer)
      this.#change?.close()
      this.#options.onEnd(this.#report())
    }
  }

  /** Ends each socket whose part in the close handshake is done (RFC 6455 §7.1.1). */
  #finish (): void {
    // The server's side of a connection ends first, so the client is not waited for.
    const clientDone = this.#clientToTarget.scanner.close !== undefined || this.#clientToTarget.ended || this.#clientToTarget.scanner.violation !== undefined
    if (this.#targetToClient.sinkDone && clientDone) endOnce(this.#client)
    // The target ends first; a client that has left is not going to see that, though.
    if (this.#clientToTarget.sinkDone && (this.#targetToClient.ended || this.#clientToTarget.ended)) endOnce(this.#target)
  }

  #beginEnd (by: EndedBy, reason: EndReason, code: number): void {
    if (this.#cause !== undefined) return
    this.#cause = { by, reason, code }
    this.#watch?.end()
    if (this.#change !== undefined) this.#leaveAlone(this.#change, by, reason)
    this.#messagesBeforeEnd = this.#messages
    this.#timer = setTimeout(() => this.#onStandstill(), this.#options.closeTimeout)
  }

  /** No target takes the place of another any more. */
  #leaveAlone (change: TargetChange, by: EndedBy, reason: EndReason): void {
    const { pending } = change
    change.cancel()
    if (!pending) return
    this.#clientToTarget.sinkLost()
    // Nobody but the gateway is left to end it.
    if (by === 'client' && reason === 'lost') this.#targetToClient.stopBehind(undefined, '')
  }

  #onStandstill (): void {
    if (this.#flushes()) {
      this.#timer!.refresh()
      return
    }
    if (this.#lastCall || (this.#clientToTarget.sinkDone && this.#targetToClient.sinkDone)) {
      this.#client.destroy()
      this.#target.destroy()
      return
    }
    this.#lastCall = true
    // A peer that has sent a close frame gets its own code back, in place of the peer that does not respond.
    const code = this.#cause!.reason === 'close' ? this.#cause!.code : undefined
    this.#clientToTarget.stopNow(code, '')
    this.#targetToClient.stopNow(code, '')
    this.#finish()
    this.#timer!.refresh()
  }

  /** Whether the last that a peer has sent, before it ended the session, is still on its way to a slow reader. */
  #flushes (): boolean {
    const { by } = this.#cause!
    if (by === 'gateway') return false
    const { sinkDone, sink } = by === 'client' ? this.#clientToTarget : this.#targetToClient
    if (!sinkDone || sink.destroyed) return false
    const before = this.#unsent
    const now = performance.now()
    this.#unsent = sink.writableLength
    if (this.#unsent !== before) this.#unsentSince = now
    // Behind it, the reader has a whole `closeTimeout`.
    return this.#unsent === 0 ? before > 0 : now - this.#unsentSince < (this.#options.watch?.stallTimeout ?? 0)
  }

  /** Messages that have passed, both ways. */
  get #messages (): number {
    return this.#clientToTarget.scanner.messages + this.#targetToClient.scanner.messages
  }

  #reverse (direction: Direction): Direction {
    return direction === this.#clientToTarget ? this.#targetToClient : this.#clientToTarget
  }

  /** Whose messages a direction carries. */
  #nameOf (direction: Direction): 'client' | 'target' {
    return direction === this.#clientToTarget ? 'client' : 'target'
  }

  #report (): SessionEnd {
    return {
      ...this.#cause!,
      closeSent: { client: this.#targetToClient.closeSent, target: this.#clientToTarget.closeSent },
      duration: Math.round(performance.now() - this.#openedAt),
      ...this.#change !== undefined && { reconnects: this.reconnects },
      fromClient: this.fromClient,
      fromTarget: this.fromTarget
    }
  }
}

function traffic ({ scanner, wireBytes, stalled }: Direction): Traffic {
  return { frames: scanner.frames, messages: scanner.messages, bytes: wireBytes, stalled: Math.round(stalled) }
}

/** A second end() is no harm, but Node makes an error for it. */
function endOnce (socket: Duplex): void {
  if (!socket.writableEnded) socket.end()
}
