import { ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { TargetResponseInvalidError } from '../errors.js'
import { checkStatus, type ResponseHead } from '../message/response.js'
import { breakOff, flushHead } from '../proxy/send-response.js'
import { headerValues, type HeaderList } from '../message/headers.js'
import type { TargetExchange } from '../upstreams/http1/target-exchange.js'
import { isSharedChunk, kept } from '../net/shared-reads.js'
import type { ResponseWriter } from './response-writer.js'
import { lend } from '../net/buffer-pool.js'
import { addResponseTrailers, writeResponseHead } from './response-head.js'
import { whenWritten } from './written.js'

/** For tests, which try both ways. */
export const directResponses = { enabled: true }

/**
 * Whether a response may go to the client past Fastify: no onSend hook wants to see or to change it.
 *
 * Fastify tells this nowhere, so it is read off the route's context, which is not documented (ARCHITECTURE.md,
 * rule 6). `reply.send(stream)` costs as much as all the rest of a small request: a stream, a pipe, and the
 * listeners for their ends (docs/benchmarks.md). Where the context is not found, every response takes that way.
 */
export function mayRespondDirectly (request: FastifyRequest): boolean {
  if (!directResponses.enabled || request.raw.httpVersionMajor !== 1) return false
  contextKey ??= Object.getOwnPropertySymbols(request).find(({ description }) => description === 'fastify.context')
  if (contextKey === undefined) return false
  return (request as unknown as Record<symbol, { onSend?: unknown } | undefined>)[contextKey]?.onSend === null
}

let contextKey: symbol | undefined

/** Bytes of a chunk that is worth some care: Node's high-water mark. */
const LARGE = 16 * 1024

/** Writes a target's response to the client as it comes. */
export class DirectResponse implements ResponseWriter {
  blocked = false
  readonly #response: ServerResponse
  readonly #exchange: TargetExchange
  /** Bytes of the body still to come; NaN if the target has not announced it. */
  #missing: number
  #begun = false

  /** @throws {TargetResponseInvalidError} for a head that cannot be sent; another may be, then. */
  constructor (reply: FastifyReply, head: ResponseHead, exchange: TargetExchange) {
    const response = reply.raw
    checkStatus(head.status)
    try {
      writeResponseHead(reply, head)
    } catch (cause) {
      response.statusMessage = ''
      throw new TargetResponseInvalidError({ cause: cause as Error })
    }
    reply.hijack()
    this.#response = response
    this.#exchange = exchange
    this.#missing = Number(headerValues(head.headers, 'content-length')[0] ?? NaN)
    // An event stream may have no body for a long time. One that came along with the head is written by then.
    process.nextTick(flush, this)
  }

  onChunk (chunk: Buffer): boolean {
    this.#begun = true
    this.#missing -= chunk.length
    const isLast = this.#missing === 0
    const more = chunk.length < LARGE ? this.#write(kept(chunk), isLast) : this.#writeLarge(chunk, isLast)
    // A chunk beyond the high-water mark counts as too much even where the system has taken it all by now.
    if (isLast || more || this.#response.writableLength === 0) return true
    if (!this.blocked) {
      this.blocked = true
      this.#response.once('drain', () => {
        this.blocked = false
        this.#exchange.resume()
      })
    }
    return false
  }

  #write (chunk: Buffer, isLast: boolean, onWritten?: () => void): boolean {
    if (!isLast) return this.#response.write(chunk, onWritten)
    this.#response.end(chunk, onWritten)
    return true
  }

  /** Node calls back once a chunk has been written. Others may keep it nevertheless. */
  #writeLarge (chunk: Buffer, isLast: boolean): boolean {
    const response = this.#response
    if (!isSharedChunk(chunk) || !(response.req.socket instanceof Socket) || isWrapped(response)) return this.#write(kept(chunk), isLast)
    const { copy, giveBack } = lend(chunk)
    const more = this.#write(copy, isLast, giveBack)
    // Node gathers what is written until the end of the tick. Without that, the system has usually taken it by now,
    // and the target need not be held back.
    response.socket?.uncork()
    return more
  }

  onEnd (trailers: HeaderList): void {
    this.#begun = true
    if (this.#response.writableEnded) return
    if (trailers.length > 0) addResponseTrailers(this.#response, trailers)
    this.#response.end()
  }

  onError (): void {
    // Without a head the client would not know that this was its response.
    this.flush()
    whenWritten(this.#response, () => {
      breakOff(this.#response)
      this.#response.destroy()
    })
  }

  /** Sends the head, if nothing has been sent yet. */
  flush (): void {
    if (this.#begun) return
    this.#begun = true
    flushHead(this.#response)
  }
}

/** Middleware, such as for compression, puts functions of its own in place of these, and may keep what it is given. */
const { write, end } = ServerResponse.prototype

function isWrapped (response: ServerResponse): boolean {
  return response.write !== write || response.end !== end
}

function flush (response: DirectResponse): void {
  response.flush()
}
