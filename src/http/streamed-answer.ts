import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import { sendAnswer, type AnswerHead } from '../upstreams/answer.js'
import type { HeaderList } from '../upstreams/headers.js'
import { AnswerBody } from '../upstreams/http1/answer-body.js'
import type { Exchange } from '../upstreams/http1/exchange.js'
import type { AnswerWriter } from './answer-writer.js'
import { addResponseTrailers } from './response-head.js'
import { whenWritten } from './written.js'

/** Sends a target's answer through Fastify, so that the onSend hooks of the route hold. */
export class StreamedAnswer implements AnswerWriter {
  readonly #response: ServerResponse
  readonly #body: AnswerBody

  constructor (reply: FastifyReply, head: AnswerHead, exchange: Exchange) {
    this.#response = reply.raw
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
    return this.#body.add(chunk)
  }

  onEnd (trailers: HeaderList): void {
    // Node leaves them out where an answer is not chunked. A hook may have answered in its place.
    if (trailers.length > 0 && !this.#response.writableEnded) addResponseTrailers(this.#response, trailers)
    this.#body.push(null)
  }

  onError (error: Error): void {
    this.#body.fail(error, destroy => whenWritten(this.#response, destroy))
  }
}
