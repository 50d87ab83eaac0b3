import { Readable } from 'node:stream'
import { ClientLeftError } from '../../errors.js'
import { kept } from '../../net/shared-reads.js'
import type { TargetExchange } from './target-exchange.js'

/** The body of a target's response as it comes, with backpressure. Destroying it cancels the request. */
export class ResponseBody extends Readable {
  /** Nobody reads it. */
  blocked = false
  readonly #exchange: TargetExchange
  /** What comes behind the chunks that are here. */
  #breakOff: (() => void) | undefined

  constructor (exchange: TargetExchange) {
    super()
    this.#exchange = exchange
    // A hook may take its time, or put something else in its place: until Fastify listens, or where it never does,
    // a body that breaks off must not end the process.
    this.on('error', () => {})
  }

  /** As `onChunk()` of an ResponseListener. */
  add (chunk: Buffer): boolean {
    const more = this.push(kept(chunk))
    if (!more) this.blocked = true
    return more
  }

  /**
   * The target has broken off. Whoever reads gets what came before that, and then the error.
   *
   * @param onTaken Is given the error's turn; by default, that comes at once.
   */
  fail (error: Error, onTaken: (destroy: () => void) => void = destroy => destroy()): void {
    this.#breakOff = () => {
      this.#breakOff = undefined
      onTaken(() => this.destroy(error))
    }
    if (this.readableLength === 0) this.#breakOff()
  }

  override read (size?: number): Buffer | null {
    const chunk = super.read(size) as Buffer | null
    if (this.#breakOff !== undefined && this.readableLength === 0) this.#breakOff()
    return chunk
  }

  override _read (): void {
    if (!this.blocked) return
    this.blocked = false
    this.#exchange.resume()
  }

  override _destroy (error: Error | null, callback: (error?: Error | null) => void): void {
    if (!this.#exchange.over) this.#exchange.cancel(error ?? new ClientLeftError())
    callback(error)
  }
}
