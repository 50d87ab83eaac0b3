import type { ResponseHead } from '../../message/response.js'
import { isHeaderValue, isToken, type HeaderList } from '../../message/headers.js'

/** The head of a response as a target sends it. */
export interface ReceivedHead extends ResponseHead {
  version: '1.0' | '1.1'
}

const START = 'HTTP/1.'
const CR = 0x0d
const STATUS_LINE = /^HTTP\/(1\.[01]) ([1-9]\d\d)(?: (.*))?$/

/**
 * Whether bytes may be the beginning of a response.
 *
 * @param from Where those begin that have not been looked at before.
 */
export function mayBeResponse (bytes: Buffer, from = 0): boolean {
  const length = Math.min(bytes.length, START.length)
  const end = bytes.indexOf('\n', from)
  return bytes.toString('latin1', 0, length) === START.slice(0, length) && (end === -1 || bytes[end - 1] === CR)
}

/**
 * Reads the head of a response, without the empty line behind it. It is as RFC 9112 has it, to the letter, or
 * undefined: what is read here in one way might be read by somebody else in another. Only the reason phrase, which
 * means nothing, may be missing with the space before it, and have any characters.
 */
export function readResponseHead (text: string): ReceivedHead | undefined {
  const lines = text.split('\r\n')
  const match = STATUS_LINE.exec(lines[0]!)
  if (match === null) return undefined
  const headers = readFields(lines, 1)
  return headers && { version: match[1] as '1.0' | '1.1', status: Number(match[2]), message: match[3] ?? '', headers }
}

/** Reads header or trailer lines, starting at an index; undefined if one is malformed. */
export function readFields (lines: string[], from: number): HeaderList | undefined {
  const headers: HeaderList = []
  for (let index = from; index < lines.length; index++) {
    const line = lines[index]!
    const colon = line.indexOf(':')
    if (colon === -1) return undefined
    const name = line.slice(0, colon)
    // The line of a folded value has no name, or one with a space.
    if (!isToken(name) || !isHeaderValue(line)) return undefined
    headers.push(name, withoutSpace(line, colon + 1))
  }
  return headers
}

/** RFC 9110 §5.5: spaces and tabs around a value do not belong to it. trim() would take more than those. */
function withoutSpace (line: string, start: number): string {
  let end = line.length
  while (start < end && isSpace(line, start)) start++
  while (end > start && isSpace(line, end - 1)) end--
  return line.slice(start, end)
}

function isSpace (line: string, index: number): boolean {
  const code = line.charCodeAt(index)
  return code === 0x20 || code === 0x09
}
