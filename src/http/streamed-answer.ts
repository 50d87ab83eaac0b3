import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { sendAnswer, type AnswerHead } from '../upstreams/answer.js'
import type { Exchange } from '../upstreams/http1/exchange.js'
import { kept } from '../upstreams/shared-reads.js'
import type { AnswerWriter } from './answer-writer.js'

/** Sends a target's answer through Fastify, so that the onSend hooks of the route hold. */
export class StreamedAnswer implements AnswerWriter {
  readonly #body: AnswerBody

  constructor (reply: FastifyReply, head: AnswerHead, exchange: Exchange) {
    this.#body = new AnswerBody(exchange)
    // As from an async handler. A hook that has the body flow before it returns would else lose what is there.
    queueMicrotask(() => {
      try {
        sendAnswer(reply, { ...head, body: this.#body })
      } catch (error) {
        this.#body.destroy()
        reply.send(error)
      }
    })
  }

  get blocked (): boolean {
    return this.#body.blocked
  }

  onChunk (chunk: Buffer): boolean {
    const more = this.#body.push(kept(chunk))
    if (!more) this.#body.blocked = true
    return more
  }

  onEnd (): void {
    this.#body.push(null)
  }

  onError (error: Error): void {
    this.#body.destroy(error)
  }
}

/** The body of a target's answer as it comes, with backpressure. Destroying it cancels the request. */
class AnswerBody extends Readable {
  blocked = false
  readonly #exchange: Exchange

  constructor (exchange: Exchange) {
    super()
    this.#exchange = exchange
    // A hook may take its time, or put something else in its place: until Fastify listens, or where it never does,
    // a body that breaks off must not end the process.
    this.on('error', () => {})
  }

  override _read (): void {
    if (!this.blocked) return
    this.blocked = false
    this.#exchange.resume()
  }

  override _destroy (error: Error | null, callback: (error?: Error | null) => void): void {
    this.#exchange.cancel()
    callback(error)
  }
}
