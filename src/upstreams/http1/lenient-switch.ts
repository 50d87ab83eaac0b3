import { readFields, type ReceivedHead } from './response-head.js'
import type { HeaderList } from '../../message/headers.js'

/*
 * The 101 of a target that is not held to RFC 9112 (the option `strict` of a route's `websocket`): of HTTP/1.0, or with
 * lines that end in LF alone. Any other response is read to the letter, since its framing must be beyond doubt; a 101
 * has no body, so only the end of its head matters.
 */

const STATUS_LINE = /^HTTP\/1\.\d {1,8}101(?: ([^\r\n]*))?\r?\n/
/** Bytes that tell a 101 from any other response. */
const START_LENGTH = 20
const START = /^HTTP\/1\.\d {1,8}101[ \r\n]/
const END = /\n\r?\n/

/** Whether what has come of a head, in two pieces, is the beginning of a 101. */
export function isSwitch (before: Buffer, bytes: Buffer, at: number): boolean {
  return START.test(before.toString('latin1', 0, START_LENGTH) + bytes.toString('latin1', at, at + START_LENGTH))
}

/** The head of a 101, and how many bytes it has; undefined until all of it is there. */
export function readSwitch (bytes: Buffer): { head: ReceivedHead, end: number } | undefined {
  const text = bytes.toString('latin1')
  const empty = END.exec(text)
  if (empty === null) return undefined
  // A phrase may have a CR in it, which no phrase of ours can.
  const [first, message = ''] = STATUS_LINE.exec(text) ?? [text.slice(0, text.indexOf('\n') + 1)]
  const headers: HeaderList = []
  for (const line of text.slice(first.length, Math.max(empty.index, first.length)).split('\n')) {
    // A line that is no header field is left out: it could not be relayed.
    headers.push(...readFields([line.endsWith('\r') ? line.slice(0, -1) : line], 0) ?? [])
  }
  return { head: { version: '1.1', status: 101, message, headers }, end: empty.index + empty[0].length }
}
