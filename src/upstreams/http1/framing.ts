import { listsToken } from '../../message/headers.js'
import type { ReceivedHead } from './response-head.js'
import { namesConnectionScheme } from './connection-auth.js'

/** How the end of a response's body is found (RFC 9112 §6.3). */
export interface Framing {
  /** Bytes of the body; or how its end is known. */
  body: number | 'chunked' | 'until end'
  /** Whether the connection may carry another request. */
  persistent: boolean
  /** No body may follow the head, whatever that says (RFC 9112 §6.3). */
  bodyless: boolean
  /**
   * The head announces a body that must not follow it. A target may send it all the same, and later:
   * to another client, it would look like a response.
   */
  announcesBody: boolean
  /** Seconds that the target says it will keep the connection; undefined when it does not. */
  keepAlive: number | undefined
  /** The target authenticates the connection, not the request (RFC 4559 §6). */
  authenticates: boolean
}

/** What is not quite clear is refused: a length, and where the next response begins, must be beyond doubt. */
export type FramingFault = string

/**
 * @param head Of a response that is no interim one.
 * @param toHead Whether the request was a HEAD.
 */
export function framingOf ({ version, status, headers }: ReceivedHead, toHead: boolean): Framing | FramingFault {
  let length: string | undefined
  let coding: string | undefined
  let persistent = version === '1.1'
  let keepAlive: number | undefined
  let authenticates = false
  for (let index = 0; index < headers.length; index += 2) {
    const value = headers[index + 1]!
    switch (connectionHeader(headers[index]!)) {
      case 'content-length':
        if (length !== undefined) return 'it has more than one Content-Length'
        length = value
        break
      case 'transfer-encoding':
        if (coding !== undefined) return 'it has more than one Transfer-Encoding'
        coding = value
        break
      case 'connection':
        if (listsToken(value, 'close')) persistent = false
        break
      case 'keep-alive':
        keepAlive = timeoutOf(value) ?? keepAlive
        break
      case 'www-authenticate':
        if (namesConnectionScheme(value)) authenticates = true
    }
  }
  if (length !== undefined && !/^\d{1,15}$/.test(length)) return 'its Content-Length is no number'
  if (coding !== undefined) {
    // The older version knows no codings (RFC 9112 §6.1), and two lengths are a way to smuggle a response.
    if (version === '1.0') return 'it has a Transfer-Encoding in HTTP/1.0'
    if (length !== undefined) return 'it has both Content-Length and Transfer-Encoding'
    if (coding.toLowerCase() !== 'chunked') return 'it has a Transfer-Encoding other than chunked'
  }
  const bodyless = toHead || status === 204 || status === 304
  const body = bodyless
    ? 0
    : coding !== undefined ? 'chunked' : length !== undefined ? Number(length) : 'until end'
  return { body, persistent: persistent && body !== 'until end', bodyless, announcesBody: bodyless && announcesBody(status, length, coding), keepAlive, authenticates }
}

function announcesBody (status: number, length: string | undefined, coding: string | undefined): boolean {
  if (coding !== undefined || Number(length ?? 0) > 0) return true
  // To a GET, a head without either has a body up to the end of the connection.
  return length === undefined && status !== 204 && status !== 304
}

const CONNECTION_HEADERS = ['connection', 'content-length', 'keep-alive', 'transfer-encoding', 'www-authenticate'] as const

/** The name of a header that says something of the connection; undefined for the others. */
function connectionHeader (name: string): typeof CONNECTION_HEADERS[number] | undefined {
  switch (name.length) {
    case 10: case 14: case 16: case 17: {
      const lower = name.toLowerCase()
      return CONNECTION_HEADERS.find(candidate => candidate === lower)
    }
  }
  return undefined
}

/** The parameter `timeout` of Keep-Alive. */
function timeoutOf (value: string): number | undefined {
  const seconds = /(?:^|[,;])\s*timeout=(\d{1,9})\s*(?:$|[,;])/i.exec(value)?.[1]
  return seconds === undefined ? undefined : Number(seconds)
}
