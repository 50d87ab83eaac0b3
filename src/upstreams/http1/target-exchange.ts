import type { Socket } from 'node:net'
import type { ResponseHead } from '../../message/response.js'
import type { HeaderList } from '../../message/headers.js'

/** A request as a target gets it. */
export interface TargetRequest {
  method: string
  path: string
  /** A Content-Length frames the body; without one, it is sent in chunks. */
  headers: HeaderList
  body: OutgoingBody | null
  /** The headers ask for another protocol: a 101 is a good response (RFC 9110 §7.8), and with 'lenient' one of any form. */
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

/** What the upstream of a request limits: milliseconds, bytes and numbers. */
export interface TargetLimits {
  connectTimeout: number
  headersTimeout: number
  bodyTimeout: number
  maxHeaderSize: number
  maxConnections: number
  maxQueue: number
  queueTimeout: number
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
  /** The body is cut off. An error with a `statusCode` is sent to the client. */
  onError (error: Error): void
}

/** A connection that speaks another protocol from now on. Nobody listens to it, and what goes wrong with it ends it. */
export interface SwitchedConnection {
  socket: Socket
  /** What has come behind the 101. */
  rest: Buffer
}

/** Who hears the target's response; never before the request's sender has its exchange in hand. */
export interface ResponseListener {
  /** A response before the response (RFC 9110 §15.2), such as 103 Early Hints. */
  onInterim (head: ResponseHead): void
  /** The response is a 101 that was asked for. The connection is the listener's. */
  onSwitch? (head: ResponseHead, connection: SwitchedConnection): void
  /** The head of the response. Its body follows. */
  onHead (head: ResponseHead): void
  /**
   * The memory of a chunk may be used again as soon as the call has returned: see `kept()`.
   *
   * @returns Whether to go on; if not, `resume()` of the exchange does.
   */
  onChunk (chunk: Buffer): boolean
  /** The response is complete. */
  onEnd (trailers: HeaderList): void
  /**
   * There is no response, or it ends before its end:
   * {TargetUnreachableError} when the connection cannot be made or breaks,
   * {TargetBusyError} when there may be no further connection, and none became free in time,
   * {TargetTimeoutError} when the target is silent for too long,
   * {TargetHeadersTooLargeError} when its head is too long,
   * {TargetResponseInvalidError} when what comes is not HTTP, and
   * the reason of its cancellation.
   */
  onError (error: Error): void
}

/** A request under way to a target, and its response. */
export interface TargetExchange {
  /** A connection was there, and the request has been written to it, or some of it. */
  readonly sent: boolean
  /** Its connection has carried a request before: that it was closed says nothing of the target. */
  readonly reused: boolean
  /** It has had to wait for a connection, as all that there may be were in use. */
  readonly queued: boolean
  /** The response is complete, or there will be none. */
  readonly over: boolean
  /** When there was a connection, and when the request had been written to it, as `performance.now()` counts; 0 before that. */
  readonly connectedAt: number
  readonly sentAt: number
  /** Runs something in the async context of the request. */
  runInAsyncScope (run: () => void, self: unknown): void
  /** Goes on with the response's body. */
  resume (): void
  /** Gives the request up, at any stage. Afterwards it does nothing. */
  cancel (reason: Error): void
}
