import type { Socket } from 'node:net'
import type { AnswerHead } from '../answer.js'
import type { HeaderList } from '../headers.js'

/** A request as a target gets it. */
export interface TargetRequest {
  method: string
  path: string
  /** A Content-Length frames the body; without one, it is sent in chunks. */
  headers: HeaderList
  body: OutgoingBody | null
  /** The headers ask for another protocol: a 101 is a good answer (RFC 9110 §7.8), and with 'lenient' one of any form. */
  upgrade?: boolean | 'lenient'
  /** Not on a connection that has been kept alive: all of these may have ended at once. Default: false. */
  anew?: boolean
  /** The client's connection. One to the target that authenticates this client is used for no other. */
  client?: Socket | undefined
  /** Where the client waits for 100 Continue (RFC 9110 §10.1.1): the target wants the body. */
  onContinue?: (() => void) | undefined
  /** Where the client has announced trailers: their names, and what they are once the body has ended. */
  trailers?: { names: string, read: () => HeaderList } | undefined
}

/** The body of a request, on its way to a target. */
export interface OutgoingBody {
  /** Begins to give it to a sink; not before the call has returned. */
  flow (sink: BodySink): void
  /** The sink can take more. */
  resume (): void
  /** Nobody wants the rest. Called in any case once it flows; before that, it may still go to another target. */
  stop (): void
}

/** What takes the body of a request. */
export interface BodySink {
  /** @returns Whether it can take more; if not, it calls `resume()`. */
  onChunk (chunk: Uint8Array): boolean
  onEnd (): void
  /** The body breaks off. An error with a `statusCode` is what the client is told. */
  onError (error: Error): void
}

/** A connection that speaks another protocol from now on. Nobody listens to it, and what goes wrong with it ends it. */
export interface SwitchedConnection {
  socket: Socket
  /** What has come behind the 101. */
  rest: Buffer
}

/** Who hears the target's answer; never before the request's sender has its exchange in hand. */
export interface AnswerListener {
  /** An answer before the answer (RFC 9110 §15.2), such as 103 Early Hints. */
  onInterim (head: AnswerHead): void
  /** The answer is a 101 that was asked for. The connection is the listener's. */
  onSwitch? (head: AnswerHead, connection: SwitchedConnection): void
  /** The head of the answer. Its body follows. */
  onHead (head: AnswerHead): void
  /**
   * The memory of a chunk may be used again as soon as the call has returned: see `kept()`.
   *
   * @returns Whether to go on; if not, `resume()` of the exchange does.
   */
  onChunk (chunk: Buffer): boolean
  /** The answer is complete. */
  onEnd (trailers: HeaderList): void
  /**
   * There is no answer, or it ends before its end:
   * {TargetUnreachableError} when the connection cannot be made or breaks, or the request was cancelled,
   * {TargetBusyError} when there may be no further connection, and none became free in time,
   * {TargetTimeoutError} when the target is silent for too long,
   * {TargetHeadersTooLargeError} when its head is too long, and
   * {TargetAnswerInvalidError} when what comes is not HTTP.
   */
  onError (error: Error): void
}

/** A request under way to a target, and its answer. */
export interface Exchange {
  /** A connection was there, and the request has been written to it, or some of it. */
  readonly sent: boolean
  /** It has had to wait for a connection, as all that there may be were in use. */
  readonly queued: boolean
  /** Goes on with the answer's body. */
  resume (): void
  /** Cancels the request, at any stage. Afterwards it does nothing. */
  cancel (): void
}
