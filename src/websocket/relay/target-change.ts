import type { Duplex } from 'node:stream'
import { Cancellation } from '../../net/cancellation.js'
import type { EndedBy, EndReason } from '../../types.js'
import { MAX_UNSENT } from './direction.js'
import { CloseCode, closeFrame } from './frames.js'
import type { MessageDirection } from './message-direction.js'

/** How another target takes the place of one that is lost. */
export interface Replacement {
  /** The close codes of a target after which another one takes its place. */
  readonly codes: ReadonlySet<number> | 'all'
  /** Whether there is anywhere to go: the route of the session is still there. */
  readonly isPossible: boolean
  /**
   * Makes the same handshake with another target, or with the same one again.
   *
   * @param reason Why the target before has ended.
   * @param planned Whether nothing is wrong with the target before, which the gateway has the session leave.
   * @throws When none accepts it.
   */
  connect (cancellation: Cancellation, reason: EndReason, planned: boolean): Promise<Duplex>
  /**
   * It is there. What is sent to it meanwhile comes before what was kept for it.
   *
   * @returns False if it is of no use.
   */
  onConnected: ((cancellation: Cancellation) => Promise<boolean>) | undefined
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

/**
 * Another target in the place of one, while the session goes on. In each of these states what the client sends is kept:
 *
 * - moving: the target is there still; it was sent Close by the gateway, and may have something to say before its own;
 * - connecting: there is none;
 * - opening: there is another one, and `onConnected` is not done.
 */
export class TargetChange {
  /** How often another connection has taken the place of one. */
  count = 0
  readonly #replacement: Replacement
  readonly #session: ChangingSession
  readonly #closeTimeout: number
  #target: Duplex
  #moving: NodeJS.Timeout | undefined
  #connecting: Cancellation | undefined
  #opening: Cancellation | undefined
  /** How the session ends if there is no other target. */
  #end: TargetEnd | undefined
  /** Connections that are not the session's any more, and are being closed. */
  readonly #left = new Map<Duplex, NodeJS.Timeout>()

  constructor (replacement: Replacement, session: ChangingSession, target: Duplex, closeTimeout: number) {
    this.#replacement = replacement
    this.#session = session
    this.#target = target
    this.#closeTimeout = closeTimeout
  }

  /** Whether what the client sends is kept. */
  get pending (): boolean {
    return this.#moving !== undefined || this.#connecting !== undefined || this.#opening !== undefined
  }

  /**
   * The target has ended.
   *
   * @param sentClose It has sent a Close frame, and waits for ours.
   * @returns Whether the session goes on. It does not behind a part of a message that no other target can complete.
   */
  lose (end: TargetEnd, sentClose: boolean): boolean {
    if (this.#connecting !== undefined) return true
    if (this.#session.targetToClient.isStreaming) return false
    const isMoving = this.#moving !== undefined
    // What it was sent when it was to be left is all that it is sent.
    this.#leaveTarget(sentClose ? isMoving ? 'closed' : end.code : 'lost')
    this.#change(isMoving ? this.#end! : end, isMoving)
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
   * @returns Whether it does. It does not while a part of a message is on its way, nor where there is no other.
   */
  move (end: TargetEnd): boolean {
    const { clientToTarget, targetToClient } = this.#session
    if (!this.#replacement.isPossible) return false
    if (this.#moving !== undefined || this.#connecting !== undefined) {
      this.#end = end
      return true
    }
    if (this.#opening !== undefined) {
      if (targetToClient.isStreaming) return false
      this.#leaveTarget(end.close?.code ?? CloseCode.goingAway)
      this.#change(end, true)
      return true
    }
    if (clientToTarget.isStreaming) return false
    clientToTarget.detachSink()
    this.#target.write(closeFrame(end.close?.code ?? CloseCode.goingAway, '', true))
    this.#end = end
    this.#waitForClose(performance.now())
    return true
  }

  /** Sends a message to a target that has just been connected, before all that was kept for it; undefined if there is none. */
  sendFirst (frame: Buffer): boolean | undefined {
    if (this.#opening === undefined) return undefined
    if (this.#target.writableLength > MAX_UNSENT) return false
    this.#target.write(frame)
    return true
  }

  /** The session ends otherwise. */
  cancel (): void {
    if (this.#opening !== undefined) this.#leaveTarget(CloseCode.goingAway)
    clearTimeout(this.#moving)
    this.#moving = undefined
    this.#connecting?.cancel(new Error('the session has ended'))
    this.#connecting = undefined
  }

  /** The session is over, and so is whatever it has left. */
  close (): void {
    for (const [target, timer] of this.#left) {
      clearTimeout(timer)
      target.destroy()
    }
  }

  /** It has as long as for any close handshake, counted from the last that it has sent. */
  #waitForClose (since: number): void {
    this.#moving = setTimeout(() => {
      const { readAt } = this.#session.targetToClient
      if (readAt > since) return this.#waitForClose(readAt)
      const end = this.#end!
      // A message that it does not end cannot be ended by another.
      if (!this.lose(end, false)) this.#session.giveUp(end)
    }, this.#closeTimeout)
  }

  /** @param how It is lost, has got its last frame, or is to get a Close of this code. */
  #leaveTarget (how: 'lost' | 'closed' | number): void {
    clearTimeout(this.#moving)
    this.#moving = undefined
    this.#opening?.cancel(new Error('the target is lost'))
    this.#opening = undefined
    const { clientToTarget, targetToClient } = this.#session
    this.#session.leave()
    clientToTarget.detachSink()
    targetToClient.detachSource()
    if (how === 'lost') this.#target.destroy()
    else this.#endPolitely(this.#target, how === 'closed' ? undefined : how)
  }

  async #change (end: TargetEnd, planned: boolean): Promise<void> {
    this.#end = end
    const connecting = this.#connecting = new Cancellation()
    let socket: Duplex
    try {
      socket = await this.#replacement.connect(connecting, end.reason, planned)
    } catch {
      if (connecting.cancelled) return
      this.#connecting = undefined
      return this.#session.giveUp(this.#end)
    }
    if (connecting.cancelled) {
      socket.destroy()
      return
    }
    this.#connecting = undefined
    this.count++
    this.#target = socket
    const { clientToTarget, targetToClient } = this.#session
    const { onConnected } = this.#replacement
    const opening = this.#opening = onConnected === undefined ? undefined : new Cancellation()
    targetToClient.attachSource(socket)
    this.#session.join(socket)
    if (opening !== undefined) {
      const isOfUse = await onConnected!(opening)
      // It may have been lost meanwhile, or the session have ended.
      if (this.#opening !== opening) return
      if (!isOfUse) {
        if (targetToClient.isStreaming) return this.#session.giveUp(this.#end)
        this.#leaveTarget(CloseCode.goingAway)
        return await this.#change(this.#end, false)
      }
      this.#opening = undefined
    }
    clientToTarget.attachSink(socket)
  }

  /** Completes the close handshake (RFC 6455 §7.1.2), for a connection that is not the session's any more. */
  #endPolitely (target: Duplex, code: number | undefined): void {
    if (code !== undefined) target.write(closeFrame(code, '', true))
    target.end()
    target.resume()
    const timer = setTimeout(() => target.destroy(), this.#closeTimeout)
    this.#left.set(target, timer)
    target.once('close', () => {
      clearTimeout(timer)
      this.#left.delete(target)
    })
  }
}
