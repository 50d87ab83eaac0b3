import type { Socket } from 'node:net'
import { TargetResponseInvalidError, TargetHeadersTooLargeError, TargetTimeoutError, TargetUnreachableError } from '../../errors.js'
import type { ResponseHead } from '../../message/response.js'
import { readChunks } from '../../net/shared-reads.js'
import { Alarm } from './alarm.js'
import { ResponseReader, type ResponseParts } from './response-reader.js'
import { authenticatesConnection } from './connection-auth.js'
import type { ResponseListener, TargetExchange, TargetLimits, TargetRequest } from './target-exchange.js'
import { PendingExchange } from './pending-exchange.js'
import { requestHead } from './request-head.js'
import { writeRequest } from './request-writer.js'

/** Who keeps connections. */
export interface ConnectionKeeper {
  /**
   * It can carry another request; the target keeps it for so many seconds, if it says so.
   *
   * @param settled False behind a response that has no body by its nature: one may come all the same.
   */
  onIdle (connection: TargetConnection, keepAlive: number | undefined, settled: boolean): void
  onClosed (connection: TargetConnection): void
}

const NOTHING = Buffer.alloc(0)

/** Nobody keeps a connection that is made for one request. */
const ONCE: ConnectionKeeper = {
  onIdle: connection => connection.destroy(),
  onClosed: () => {}
}

/**
 * Sends a request on a connection that is its own.
 *
 * @throws {TypeError} for a name or a value that would be more than one header.
 */
export function exchangeOn (socket: Socket, limits: TargetLimits, request: TargetRequest, listener: ResponseListener): TargetExchange {
  const connection = new TargetConnection(socket, ONCE)
  try {
    const exchange = new PendingExchange(request, listener, requestHead(request.method, request.path, request.headers), limits)
    connection.start(exchange)
    return exchange
  } catch (error) {
    connection.destroy()
    throw error
  }
}

function faultOf ({ tooLarge }: ResponseReader, fault: string): Error {
  const cause = new Error(`the response: ${fault}`)
  return tooLarge ? new TargetHeadersTooLargeError({ cause }) : new TargetResponseInvalidError({ cause })
}

function ignore (): void {
  // 'close' follows.
}

/** A connection to a target, for one request after another. */
export class TargetConnection implements ResponseParts {
  /** Until when it may be used again, as `performance.now()` counts. */
  idleUntil = 0
  /** The target authenticates it: the requests of one client alone may go out on it (RFC 4559 §6). */
  authenticated = false
  /** That client's connection, once it is known. */
  client: Socket | undefined
  /** It carries no further request: its target has moved, or is met in another way now. */
  outdated = false
  readonly #socket: Socket
  readonly #keeper: ConnectionKeeper
  readonly #reader: ResponseReader
  readonly #headAlarm: Alarm
  readonly #bodyAlarm: Alarm
  readonly #stopReading: () => void
  #exchange: PendingExchange | undefined
  /** It has carried a request. */
  #used = false
  /** Some of the request has not been written yet. */
  #sending = false
  /** The client does not read. */
  #held = false

  constructor (socket: Socket, keeper: ConnectionKeeper) {
    this.#socket = socket
    this.#keeper = keeper
    this.#reader = new ResponseReader(this)
    this.#headAlarm = new Alarm(timeout => this.#fail(new TargetTimeoutError({ cause: new Error(`no head of a response within ${timeout} ms`) })))
    this.#bodyAlarm = new Alarm(timeout => this.#fail(new TargetTimeoutError({ cause: new Error(`nothing of the body within ${timeout} ms`) })))
    socket.on('error', this.#lost).on('end', this.#onEnd).on('close', this.#onClose).on('drain', this.#onDrain)
    this.#stopReading = readChunks(socket, chunk => this.#read(chunk))
  }

  /** Whether it can take a request. */
  get usable (): boolean {
    return !this.#socket.destroyed && this.#exchange === undefined
  }

  /** The address that it leads to. */
  get remoteAddress (): string | undefined {
    return this.#socket.remoteAddress
  }

  /** Sends a request. */
  start (exchange: PendingExchange): void {
    this.#exchange = exchange
    this.#held = false
    this.#sending = true
    const { method, upgrade, headers } = exchange.request
    if (!this.authenticated) this.authenticated = authenticatesConnection(headers)
    this.#reader.begin(exchange.limits.maxHeaderSize, method === 'HEAD', upgrade)
    exchange.begin(this, this.#used)
    this.#used = true
    writeRequest(this.#socket, exchange, () => {
      this.#sending = false
      exchange.sentAt = performance.now()
      // The body has limits of its own. The response may be there before its end.
      if (this.#exchange === exchange && this.#reader.inHead) this.#headAlarm.set(exchange.limits.headersTimeout)
    })
  }

  /** Goes on reading. */
  resume (): void {
    if (!this.#held) return
    this.#held = false
    this.#bodyAlarm.set(this.#exchange!.limits.bodyTimeout)
    this.#socket.resume()
  }

  /** The exchange is over before its end, and so is the connection. */
  abandon (): void {
    this.#exchange = undefined
    this.#reader.abandon()
    this.destroy()
  }

  /** Ends it, and the request on it with an error. */
  abort (error: Error): void {
    this.#fail(error)
    this.destroy()
  }

  destroy (): void {
    this.#headAlarm.clear()
    this.#bodyAlarm.clear()
    this.#socket.destroy()
  }

  onInterim (head: ResponseHead): void {
    const { listener, request } = this.#exchange!
    if (head.status !== 100) listener.onInterim(head)
    // One that nobody waits for goes no further (RFC 9110 §15.2.1).
    else request.onContinue?.()
  }

  onHead (head: ResponseHead): void {
    this.#headAlarm.unset()
    this.#exchange!.listener.onHead(head)
  }

  onBody (chunk: Buffer): void {
    if (!this.#exchange!.listener.onChunk(chunk)) this.#held = true
  }

  #read (chunk: Buffer): void {
    const exchange = this.#exchange
    // Nobody has asked for it, and it must not become the response to somebody else.
    if (exchange === undefined) this.destroy()
    else exchange.runInAsyncScope(this.#readFor, this, exchange, chunk)
  }

  #readFor (exchange: PendingExchange, chunk: Buffer): void {
    const reader = this.#reader
    const length = reader.read(chunk)
    if (this.#exchange !== exchange) return
    if (reader.fault !== undefined) return this.#fail(faultOf(reader, reader.fault))
    if (reader.switching !== undefined) return this.#handOver(exchange, reader.switching, chunk.subarray(length))
    if (reader.over) return this.#complete(exchange, length === chunk.length)
    if (reader.inHead) return
    if (this.#held) {
      this.#bodyAlarm.unset()
      this.#socket.pause()
    } else {
      this.#bodyAlarm.set(exchange.limits.bodyTimeout)
    }
  }

  /** @param clean Whether nothing stands behind the response. */
  #complete (exchange: PendingExchange, clean: boolean): void {
    const { persistent, bodyless, announcesBody, authenticates, keepAlive, trailers } = this.#reader
    if (authenticates) this.authenticated = true
    if (this.authenticated) this.client = exchange.request.client
    this.#exchange = undefined
    this.#headAlarm.unset()
    this.#bodyAlarm.unset()
    // A target may respond before it has read all of the request, and never read the rest.
    const sent = !this.#sending && this.#socket.writableLength === 0
    // What still comes of a response would go to the next client, unless that is the same.
    const mayShare = persistent && (!announcesBody || this.client !== undefined)
    if (clean && mayShare && sent && !this.#socket.destroyed) this.#keeper.onIdle(this, keepAlive, !bodyless)
    else this.destroy()
    exchange.complete(trailers)
  }

  #handOver (exchange: PendingExchange, head: ResponseHead, rest: Buffer): void {
    const socket = this.#socket
    this.#exchange = undefined
    this.#headAlarm.clear()
    this.#stopReading()
    // Until somebody else listens, a reset must not be an uncaught error.
    socket.off('error', this.#lost).off('end', this.#onEnd).off('close', this.#onClose).off('drain', this.#onDrain).on('error', ignore)
    exchange.switchTo(head, { socket, rest: Buffer.from(rest) })
  }

  #fail (error: Error): void {
    this.#exchange?.fail(error)
  }

  /** A target that has begun to respond has received the request; it is not sent again. */
  readonly #lost = (cause: Error): void => {
    if (this.#reader.begun && this.#reader.inHead) this.#fail(new TargetResponseInvalidError({ cause }))
    else this.#fail(new TargetUnreachableError({ cause }))
  }

  readonly #onDrain = (): void => {
    const body = this.#exchange?.request.body
    if (body) this.#exchange!.runInAsyncScope(body.resume, body)
  }

  readonly #onEnd = (): void => {
    const exchange = this.#exchange
    if (exchange !== undefined && this.#reader.endsWithConnection) {
      const complete = (): void => exchange.runInAsyncScope(this.#complete, this, exchange, false)
      // libuv takes a reset that comes along with bytes for an end. Only a write that fails tells it, unless it would
      // wait behind a request that the target does not read.
      if (this.#socket.writableLength > 0) return complete()
      this.#socket.write(NOTHING, error => {
        if (this.#exchange !== exchange) return
        if (error) this.#lost(error)
        else complete()
      })
      return
    }
    this.#lost(new Error('the target has ended the connection'))
    this.destroy()
  }

  readonly #onClose = (): void => {
    this.#lost(new Error('the target has closed the connection'))
    this.destroy()
    this.#keeper.onClosed(this)
  }
}
