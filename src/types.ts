import type { FastifyRequest } from 'fastify'

/** Who ended a session. */
export type EndedBy = 'client' | 'target' | 'gateway'

/**
 * Why a session ended:
 * - `close`: a peer sent a Close frame;
 * - `lost`: a peer went away without one;
 * - `protocol-error`: a peer broke RFC 6455;
 * - `too-big`: a peer sent a longer frame or message than `maxFrameSize` or `maxMessageSize`;
 * - `message`: a message that the route's `messages` refuse;
 * - `hook`: a hook for messages threw, or took longer than its `timeout`;
 * - `rate`: the client sent more than `messageRate` allows;
 * - `target-rate`: the target sent more than `targetMessageRate` allows;
 * - `idle`: no data frame for `idleTimeout`;
 * - `ping-timeout`: a peer that was pinged neither sent nor took a byte for `pongTimeout`;
 * - `stalled`: a peer read nothing for `stallTimeout`;
 * - `lifetime`: the session was as old as `maxLifetime`;
 * - `expired`: the date of `until` had come;
 * - `application`: code of the app called `session.close()`;
 * - `drain`: the gateway drains, or stops;
 * - `removed`: a reload has removed the route or the target, or the target is in maintenance;
 * - `unhealthy`: the target was found to be down, and `onUnhealthy` of the route asks for an end;
 * - `rebalance`: `rebalance()` moves it to another target.
 */
export type EndReason = 'close' | 'lost' | 'protocol-error' | 'too-big' | 'message' | 'hook' | 'rate' | 'target-rate' | 'idle' | 'ping-timeout' | 'stalled' |
  'lifetime' | 'expired' | 'application' | 'drain' | 'removed' | 'unhealthy' | 'rebalance'

/** What passed one way. */
export interface Traffic {
  frames: number
  messages: number
  /** Bytes on the wire, frame headers included. */
  bytes: number
  /** Milliseconds in which no more was read from the sender, because the receiver did not read. */
  stalled: number
}

/**
 * The code of the Close frame that was sent to each side, relayed or the gateway's own; 1005 for one without a code.
 * Undefined for none: that side saw its connection end without a Close, or ended it itself.
 */
export interface CloseSent {
  client: number | undefined
  target: number | undefined
}

/** How a session ended, and what passed through it. The numbers of one log line. */
export interface SessionEnd {
  by: EndedBy
  reason: EndReason
  /**
   * The close code of what ended the session: as sent by the peer or by the gateway; 1005 for a Close without one,
   * 1006 for no close frame at all. A peer that was lost has 1006, whatever was sent to the other.
   */
  code: number
  /** The Close frame that each side was sent. */
  closeSent: CloseSent
  /** Milliseconds from the relayed 101 to the last socket's end. */
  duration: number
  /** How often another target took the place of one that was lost; only on routes with `reconnect`. */
  reconnects?: number
  /** What the client sent. */
  fromClient: Traffic
  /** What the target sent. */
  fromTarget: Traffic
}

/** What the app, Fastify and Node lend to a request: not in a snapshot of it. */
type LentToRequest = 'raw' | 'server' | 'log' | 'body' | 'routeOptions' | 'validationContext' | 'validateInput' | 'getValidationFunction' |
  'compileValidationSchema' | 'validate' | 'getDecorator' | 'setDecorator' | 'socket' | 'context' | 'signal' | 'mediaType'

/**
 * A request as it was when its session opened, with what hooks have decorated it with, such as `user`; without what
 * belongs to the app or to Node, so that an open session does not keep these in memory over a reload.
 */
export type SessionRequest = Readonly<Omit<FastifyRequest, LentToRequest>> & {
  readonly routeOptions: { readonly url: string | undefined }
  readonly socket: { readonly remoteAddress: string | undefined, readonly remotePort: number | undefined }
}

/** An open WebSocket, for code of the app. */
export interface WebSocketSession {
  readonly id: string
  /** A snapshot of the request that opened it, with what hooks have put there. */
  readonly request: SessionRequest
  /** The URL pattern of its route. */
  readonly route: string
  /** The name of its upstream. */
  readonly upstream: string
  /** The origin of its target. */
  readonly target: string
  /** The subprotocol that the target chose; undefined for none. */
  readonly subprotocol: string | undefined
  readonly openedAt: Date
  /** What the client has sent so far. */
  readonly fromClient: Traffic
  /** What the target has sent so far. */
  readonly fromTarget: Traffic
  /** How often another target has taken the place of one that was lost. */
  readonly reconnects: number
  /** Aborted when the session has ended. */
  readonly signal: AbortSignal
  /**
   * Sends one side a message of the gateway's own, as soon as no other message to it is open: a text, or a binary one. It
   * is not compressed, and no hook sees it.
   *
   * @returns False if it is not sent: the session is ending, or more than 1 MiB waits for that side.
   */
  send (to: 'client' | 'target', data: string | Uint8Array): boolean
  /**
   * Ends the session: each side is sent a Close frame as soon as no message to it is open, and at the latest after
   * `closeTimeout`.
   *
   * @param code A close code that may stand on the wire. Default: 1000.
   * @param reason At most 123 bytes in UTF-8. Default: none.
   * @throws {RangeError} for another code, or a longer reason.
   */
  close (code?: number, reason?: string): void
}

/** A message of a session, for hooks to look at. */
export interface WebSocketMessage {
  /**
   * Its payload, as a copy: a change of it changes nothing, and it may be kept. A hook that is not async must read it before
   * it returns.
   *
   * @throws {TypeError} if it is first read later.
   */
  readonly data: Buffer
  /** Its text; undefined for a binary message. */
  readonly text: string | undefined
  /** Whether it is binary. */
  readonly binary: boolean
}

declare const isDrop: unique symbol

/** The type of `drop`. TypeScript would forget which symbol it is that an async function returns. */
export interface Drop { readonly [isDrop]: true }

/** What a hook for messages returns for one that is to go nowhere. */
export const drop: Drop = Symbol('sluice.drop') as unknown as Drop

/**
 * What a hook makes of a message:
 * - nothing: it goes on as it came, byte for byte;
 * - a string or bytes: a text message, or a binary one, goes on in its place;
 * - `drop`: it goes nowhere.
 */
export type MessageResult = undefined | void | string | Uint8Array | Drop

/** A route of the gateway, as it was registered. */
export interface RouteStatus {
  /** Its URL pattern, with the prefix of its scope. */
  readonly url: string
  /** Undefined for all. */
  readonly methods: readonly string[] | undefined
  /** What a request must have beside its URL and method, in words; undefined for nothing. */
  readonly constraints: string | undefined
  /** The name or the URL of its upstream; undefined for one that code chooses. */
  readonly upstream: string | undefined
  /** Whether it lets WebSockets through. */
  readonly websocket: boolean
}

/** What became of a reload, or of another thing that the service was asked to do. */
export interface ReloadOutcome {
  ok: boolean
  /** For people: what has changed, or what is wrong, a line for each problem. */
  text: string
}
