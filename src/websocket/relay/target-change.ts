import type { Duplex } from 'node:stream'
import { Cancellation } from '../../net/cancellation.js'
import type { EndedBy, EndReason } from '../../types.js'
import { CloseCode, closeFrame } from './frames.js'
import type { MessageDirection } from './message-direction.js'

/** How another target takes the place of one that is lost. */
export interface Replacement {
  /** The close codes of a target after which another one takes its place. */
  codes: ReadonlySet<number> | 'all'
  /**
   * Makes the same handshake with another target, or with the same one again.
   *
   * @throws When none accepts it.
   */
  connect (cancellation: Cancellation): Promise<Duplex>
  /** It is there. What is sent to it meanwhile comes before what was kept for it. */
  onConnected (): void | Promise<void>
}

/** How the session ends if no other target takes the place of the one that has ended. */
export interface TargetEnd {
  by: EndedBy
  reason: EndReason
  code: number
  /** The Close that the client is sent; undefined for none. */
  close: { code: number, reason: string } | undefined
}

/** What a change of the target does to its session. */
export interface ChangingSession {
  readonly clientToTarget: MessageDirection
  readonly targetToClient: MessageDirection
  /** Its connection is none of the session's any more. */
  leave (): void
  /** This one is, in its place. */
  join (socket: Duplex): void
  /** There is no other target. */
  giveUp (end: TargetEnd): void
}

/** Another target in the place of one, while the session goes on. */
export class TargetChange {
  /** How often another connection has taken the place of one. */
  count = 0
  readonly #replacement: Replacement
  readonly #session: ChangingSession
  readonly #closeTimeout: number
  #target: Duplex
  #cancellation: Cancellation | undefined
  /** The target has been sent Close by the gateway, so that another may take its place. */
  #moving: { end: TargetEnd, timer: NodeJS.Timeout } | undefined
  /** It has been connected, and gets nothing yet of what was kept. */
  #opening = false

  constructor (replacement: Replacement, session: ChangingSession, target: Duplex, closeTimeout: number) {
    this.#replacement = replacement
    this.#session = session
    this.#target = target
    this.#closeTimeout = closeTimeout
  }

  /** Whether the session is without a target, or about to be. */
  get pending (): boolean {
    return this.#cancellation !== undefined || this.#moving !== undefined
  }

  /**
   * The target has ended.
   *
   * @param sentClose It has sent a Close frame, and waits for ours.
   * @returns Whether the session goes on. It does not behind a part of a message that no other target can complete.
   */
  lose (end: TargetEnd, sentClose: boolean): boolean {
    const { clientToTarget, targetToClient } = this.#session
    if (this.#cancellation !== undefined) return true
    const moving = this.#moving
    this.#moving = undefined
    clearTimeout(moving?.timer)
    if (targetToClient.isStreaming) return false
    const target = this.#target
    this.#session.leave()
    if (moving === undefined) clientToTarget.detachSink()
    targetToClient.detachSource()
    if (sentClose) this.#endPolitely(target, moving === undefined ? end.code : undefined)
    else target.destroy()
    this.#opening = false
    this.#change(moving?.end ?? end)
    return true
  }

  /** Whether another target is to take the place of one that has sent this Close. */
  takesOver (code: number): boolean {
    return this.#moving !== undefined || this.#replacement.codes === 'all' || this.#replacement.codes.has(code)
  }

  /**
   * Has another target take the place of this one, which is there: it is sent Close, and what it has sent before its own
   * goes on.
   *
   * @returns Whether it does. It does not while a part of a message is on its way.
   */
  move (end: TargetEnd): boolean {
    const { clientToTarget } = this.#session
    if (this.pending) return true
    if (clientToTarget.isStreaming) return false
    clientToTarget.detachSink()
    this.#target.write(closeFrame(end.close?.code ?? CloseCode.goingAway, '', true))
    this.#moving = { end, timer: setTimeout(() => this.lose(end, false), this.#closeTimeout) }
    return true
  }

  /** Sends a message to a target that has just been connected, before all that was kept for it; false if there is none. */
  sendFirst (frame: Buffer): boolean {
    if (!this.#opening) return false
    this.#target.write(frame)
    return true
  }

  /** The session ends otherwise. */
  cancel (): void {
    clearTimeout(this.#moving?.timer)
    this.#moving = undefined
    this.#cancellation?.cancel(new Error('the session has ended'))
    this.#cancellation = undefined
    this.#opening = false
  }

  async #change (end: TargetEnd): Promise<void> {
    const cancellation = this.#cancellation = new Cancellation()
    let socket: Duplex
    try {
      socket = await this.#replacement.connect(cancellation)
    } catch {
      if (cancellation.cancelled) return
      this.#cancellation = undefined
      return this.#session.giveUp(end)
    }
    if (cancellation.cancelled) {
      socket.destroy()
      return
    }
    this.#cancellation = undefined
    this.count++
    this.#target = socket
    this.#opening = true
    this.#session.join(socket)
    this.#session.targetToClient.attachSource(socket)
    try {
      await this.#replacement.onConnected()
    } finally {
      // It may have been lost meanwhile, or the session have ended.
      if (this.#opening && this.#target === socket) {
        this.#opening = false
        this.#session.clientToTarget.attachSink(socket)
      }
    }
  }

  /** Completes the close handshake (RFC 6455 §7.1.2), for a connection that is not the session's any more. */
  #endPolitely (target: Duplex, code: number | undefined): void {
    if (code !== undefined) target.write(closeFrame(code, '', true))
    target.end()
    target.resume()
    const timer = setTimeout(() => target.destroy(), this.#closeTimeout)
    target.once('close', () => clearTimeout(timer))
  }
}
