import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TargetAnswerInvalidError, TargetTimeoutError, TargetUnreachableError } from '../errors.js'
import type { Cancellation } from '../upstreams/cancellation.js'
import { checkHeaders, type HeaderList } from '../upstreams/headers.js'
import { mayBeSwitching, readSwitchingHead } from './answer-head.js'
import { answerFault, type Offer } from './handshake.js'
import { ParsedAnswer } from './parsed-answer.js'
import { isShared, readChunks } from '../upstreams/shared-reads.js'

/** What a target made of a handshake. */
export type OfferResult =
  | { accepted: true, socket: Duplex, head: Buffer, message: string, headers: HeaderList }
  /** Any other answer, its body still to be read: it goes to the client as it is. */
  | { accepted: false, response: IncomingMessage }

export interface OfferOptions {
  path: string
  headers: HeaderList
  offer: Offer
  /** Milliseconds until the head of the answer must be there. */
  timeout: number
  /** Gives the handshake up. */
  cancellation: Cancellation
}

/**
 * Makes the client's handshake to a target, on a connection of its own. A 101 is accepted only when all of
 * it is right; the connection of any other is destroyed.
 *
 * @throws {TargetUnreachableError} when the connection breaks before an answer.
 * @throws {TargetTimeoutError} when there is no answer in time.
 * @throws {TargetAnswerInvalidError} for garbage, or a 101 that does not answer this offer.
 */
export function makeOffer (connection: Socket, options: OfferOptions): Promise<OfferResult> {
  return new Promise((resolve, reject) => new PendingOffer(connection, options, resolve, reject).make())
}

/** No head of an answer is longer; Node's own limit. */
const MAX_HEAD = 16 * 1024
const NOTHING = Buffer.alloc(0)

/** An offer that is not answered yet. */
class PendingOffer {
  readonly #connection: Socket
  readonly #options: OfferOptions
  readonly #resolve: (result: OfferResult) => void
  readonly #reject: (error: Error) => void
  #timer: NodeJS.Timeout | undefined
  #stopReading: (() => void) | undefined
  /** What has arrived of a head. */
  #head = NOTHING
  /** Reads every answer but a plain 101, which is all that usually comes. */
  #parsed: ParsedAnswer | undefined
  #failed = false

  constructor (connection: Socket, options: OfferOptions, resolve: (result: OfferResult) => void, reject: (error: Error) => void) {
    this.#connection = connection
    this.#options = options
    this.#resolve = resolve
    this.#reject = reject
  }

  make (): void {
    const { path, headers, timeout, cancellation } = this.#options
    const connection = this.#connection
    connection.on('error', this.#onError).on('close', this.#onClose).on('end', this.#onEnd)
    if (cancellation.cancelled) return this.#onCancel()
    try {
      connection.write(requestHead(path, headers), 'latin1')
    } catch (error) {
      return this.#fail(error as Error)
    }
    this.#timer = setTimeout(() => this.#fail(new TargetTimeoutError({ cause: new Error(`no answer within ${timeout} ms`) })), timeout)
    cancellation.listener = () => this.#onCancel()
    this.#stopReading = readChunks(connection, chunk => this.#read(chunk))
  }

  #read (chunk: Buffer): void {
    if (this.#parsed !== undefined) return this.#parsed.push(isShared(this.#connection) ? Buffer.from(chunk) : chunk)
    const head = this.#head.length === 0 ? chunk : Buffer.concat([this.#head, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (!mayBeSwitching(head) || (end === -1 && head.length > MAX_HEAD)) return this.#parse(head)
    if (end === -1) {
      this.#head = Buffer.from(head)
      return
    }
    const switching = end > MAX_HEAD ? undefined : readSwitchingHead(head.toString('latin1', 0, end))
    if (switching === undefined) return this.#parse(head)
    this.#answered({ accepted: true, socket: this.#connection, head: Buffer.from(head.subarray(end + 4)), ...switching })
  }

  #parse (head: Buffer): void {
    this.#parsed = new ParsedAnswer(this.#connection, {
      onAnswer: result => this.#answered(result),
      onError: error => this.#fail(error)
    })
    this.#parsed.push(Buffer.from(head))
  }

  #answered (result: OfferResult): void {
    if (result.accepted) {
      const fault = answerFault(this.#options.offer, result.headers)
      if (fault !== undefined) return this.#fail(new TargetAnswerInvalidError({ cause: new Error(fault) }))
      this.#stopReading!()
      // From here to the relay a reset must not be an uncaught error.
      this.#connection.off('error', this.#onError).off('close', this.#onClose).off('end', this.#onEnd).on('error', ignore)
    }
    this.#settle()
    this.#resolve(result)
  }

  #fail (error: Error): void {
    // The end of a connection is told more than once; by then the next target may be under way.
    if (this.#failed) return
    this.#failed = true
    this.#settle()
    this.#parsed?.destroy()
    this.#connection.destroy()
    this.#reject(error)
  }

  #settle (): void {
    clearTimeout(this.#timer)
    this.#options.cancellation.listener = undefined
  }

  #onCancel (): void {
    this.#fail(new TargetUnreachableError({ cause: new Error('given up') }))
  }

  readonly #onError = (cause: Error): void => {
    if (this.#parsed === undefined) this.#fail(new TargetUnreachableError({ cause }))
    else this.#parsed.destroy(cause)
  }

  readonly #onEnd = (): void => {
    if (this.#parsed === undefined) this.#fail(new TargetUnreachableError({ cause: new Error('the target has ended the connection') }))
    else this.#parsed.end()
  }

  readonly #onClose = (): void => {
    if (this.#parsed === undefined) this.#fail(new TargetUnreachableError({ cause: new Error('the target has closed the connection') }))
    else this.#parsed.destroy()
  }
}

function ignore (): void {
  // 'close' follows.
}

function requestHead (path: string, headers: HeaderList): string {
  checkHeaders(headers)
  let head = `GET ${path} HTTP/1.1\r\n`
  for (let index = 0; index < headers.length; index += 2) head += `${headers[index]}: ${headers[index + 1]}\r\n`
  return `${head}\r\n`
}
