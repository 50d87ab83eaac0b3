import { isHeaderValue, type HeaderList } from '../upstreams/headers.js'

/** The head of a 101. */
export interface SwitchingHead {
  /** The reason phrase. */
  message: string
  headers: HeaderList
}

const START = 'HTTP/1.1 101'
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** Whether a target's answer, as far as it has arrived, may be a 101. */
export function mayBeSwitching (head: Buffer): boolean {
  const length = Math.min(head.length, START.length)
  return head.toString('latin1', 0, length) === START.slice(0, length)
}

/**
 * Reads the head of a 101, without the empty line behind it. For anything in it that is not quite as RFC 9112
 * has it, undefined is given: Node's parser knows what is to be made of it.
 */
export function readSwitchingHead (text: string): SwitchingHead | undefined {
  const lines = text.split('\r\n')
  const [start] = lines
  if (start !== START && !start!.startsWith(`${START} `)) return undefined
  const message = start!.slice(START.length + 1)
  if (!isHeaderValue(message)) return undefined
  const headers: HeaderList = []
  for (let index = 1; index < lines.length; index++) {
    const line = lines[index]!
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(colon, 0))
    const value = line.slice(colon + 1)
    if (!TOKEN.test(name) || !isHeaderValue(value)) return undefined
    headers.push(name, withoutSpace(value))
  }
  return { message, headers }
}

/** RFC 9110 §5.5: spaces and tabs around a value do not belong to it. trim() would take more than those. */
function withoutSpace (value: string): string {
  let start = 0
  let end = value.length
  while (start < end && isSpace(value, start)) start++
  while (end > start && isSpace(value, end - 1)) end--
  return value.slice(start, end)
}

function isSpace (value: string, index: number): boolean {
  const code = value.charCodeAt(index)
  return code === 0x20 || code === 0x09
}
