import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import type { ResponseHead } from '../message/response.js'
import { sendResponse } from '../proxy/send-response.js'
import type { HeaderList } from '../message/headers.js'
import { ResponseBody } from '../upstreams/http1/response-body.js'
import type { TargetExchange } from '../upstreams/http1/target-exchange.js'
import type { ResponseWriter } from './response-writer.js'
import { addResponseTrailers } from './response-head.js'
import { whenWritten } from './written.js'

/** Sends a target's response through Fastify, so that the onSend hooks of the route hold. */
export class StreamedResponse implements ResponseWriter {
  readonly #response: ServerResponse
  readonly #body: ResponseBody

  constructor (reply: FastifyReply, head: ResponseHead, exchange: TargetExchange) {
    this.#response = reply.raw
    this.#body = new ResponseBody(exchange)
    // As from an async handler. A hook that has the body flow before it returns would else lose what is there.
    queueMicrotask(() => {
      try {
        sendResponse(reply, { ...head, body: this.#body })
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
    // Node leaves them out where a response is not chunked. A hook may have responded in its place.
    if (trailers.length > 0 && !this.#response.writableEnded) addResponseTrailers(this.#response, trailers)
    this.#body.push(null)
  }

  onError (error: Error): void {
    this.#body.fail(error, destroy => whenWritten(this.#response, destroy))
  }
}
