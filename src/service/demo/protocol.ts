/* What the demo's page, its upstream and the gateway tell each other. The page is bundled with these types. */

/** Headers as they came, in their order and case. */
export type HeaderPairs = Array<[name: string, value: string]>

/** A request or a handshake has reached the gateway. */
export interface Started {
  type: 'start'
  /** That of the request, which the target gets as X-Request-Id. */
  id: string
  kind: 'request' | 'handshake'
  method: string
  url: string
  httpVersion: string
  /** The address of the client. */
  client: string
  headers: HeaderPairs
}

/** An exchange is over. */
export interface Ended {
  type: 'end'
  id: string
  url: string
  by: string
  reason: string
  /** The status of the response; null for none. */
  status: number | null
  /** Of a session: the code of the Close that each side was sent, null for none. Null if none was opened. */
  closeSent: { client: number | null, target: number | null } | null
  /** Those of the response, unless it has opened a session. */
  headers: HeaderPairs
  line: LogLine
}

/** A line of the gateway's log. */
export interface LogLine {
  level: 'info' | 'warn' | 'error'
  /** As on a terminal. */
  text: string
  /** As in a file. */
  json: string
}

export type DemoEvent = Started | Ended

/** From the gateway to an open page, over `FEED_PATH`. */
export type FeedMessage =
  | { type: 'hello', version: string, rate: number, events: DemoEvent[] }
  | { type: 'events', events: DemoEvent[] }

/** From a page to the gateway. */
export interface FeedCommand { type: 'drain' }

/** What the demo's target says of a request that it got: the response of `REQUEST_PATH`, and the first message of a session. */
export interface SeenByTarget {
  /** Its own address. */
  target: string
  method: string
  url: string
  headers: HeaderPairs
  body: string
}

/** A WebSocket that the gateway terminates itself. */
export const FEED_PATH = '/demo/feed'
/** Routes to the target: they say what it got, refuse every handshake, and echo. */
export const REQUEST_PATH = '/demo/request'
export const REFUSAL_PATH = '/demo/refused'
export const SOCKET_PATH = '/demo/socket'
/** The subprotocol of `SOCKET_PATH`. */
export const SUBPROTOCOL = 'demo.v1'
/** The message on which the target destroys its connection. */
export const LOSE = '/lose'
/** Headers whose values are shown to no page: cookies of a host are those of all its ports. */
export const HIDDEN = ['cookie', 'authorization']
