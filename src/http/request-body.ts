import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { BodyTimeoutError, TargetTimeoutError } from '../errors.js'

/**
 * A client's body on its way to a target, with backpressure and a limit on standstill.
 *
 * undici destroys a body whose request fails; the client's own stream must live on, to carry the answer.
 */
export class RequestBody extends Readable {
  readonly #source: IncomingMessage
  readonly #timer: NodeJS.Timeout
  #waitsForTarget = false

  /** @param timeout Milliseconds that the body may stand still. */
  constructor (source: IncomingMessage, timeout: number) {
    super()
    this.#source = source
    // Whose fault a standstill is depends on who is waited for.
    this.#timer = setTimeout(() => this.destroy(this.#waitsForTarget ? new TargetTimeoutError() : new BodyTimeoutError()), timeout)
    source.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError).on('close', this.#onClose)
  }

  override _read (): void {
    this.#waitsForTarget = false
    this.#timer.refresh()
    this.#source.resume()
  }

  override _destroy (error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#timer)
    this.#source.off('data', this.#onData).off('end', this.#onEnd).off('error', this.#onError).off('close', this.#onClose)
    callback(error)
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#timer.refresh()
    if (this.push(chunk)) return
    this.#waitsForTarget = true
    this.#source.pause()
  }

  readonly #onEnd = (): void => {
    clearTimeout(this.#timer)
    this.push(null)
  }

  readonly #onError = (error: Error): void => { this.destroy(error) }

  readonly #onClose = (): void => {
    if (!this.#source.complete) this.destroy(new Error('the client broke off its body'))
  }
}
