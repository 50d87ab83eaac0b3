import { isIPv6 } from 'node:net'

const NAME = /^[\w.~%!$&()*+=-]*(?::(\d*))?$/
const LITERAL = /^\[([\da-f:.]+)\](?::(\d*))?$/i

/**
 * Whether a text is uri-host [":" port] (RFC 9110 §7.2), which may be empty. Underscores, as in names of Docker,
 * pass, and so do bytes of UTF-8 beyond ASCII. Of what RFC 3986 §3.2.2 allows beside, commas, semicolons and
 * quotes do not: they would make two of it in a list.
 */
export function isHost (text: string): boolean {
  const literal = text.charCodeAt(0) === OPENING_BRACKET
  const found = (literal ? LITERAL : NAME).exec(literal ? text : text.replace(/[\x80-\xff]/g, 'x'))
  if (found === null) return false
  if (literal && !isIPv6(found[1]!)) return false
  if (!literal && text.includes('%') && !/^(?:[^%]|%[\da-f]{2})*$/i.test(text)) return false
  const port = literal ? found[2] : found[1]
  return port === undefined || port.length <= 5 && Number(port) <= 65_535
}

const OPENING_BRACKET = 0x5b
