/**
 * A Host: `uri-host [ ":" port ]` (RFC 9110 §7.2), or nothing. A name may have any characters of RFC 3986 §3.2.2, so
 * that underscores and escapes pass.
 */
const HOST = /^(?:\[[\da-f:.]+(?:%25[\w.~-]+)?\]|\[v[\da-f]+\.[\w.~!$&()*+;=:-]+\]|(?:[\w.~!$&()*+;=-]|%[\da-f]{2})+)(?::(\d*))?$/i
const MAX_PORT = 65_535

/** Whether a request's Host can be understood in one way only. HTTP/1.0 may have none, and an empty one is allowed. */
export function isHost (value: string | undefined): boolean {
  if (value === undefined || value === '') return true
  const match = HOST.exec(value)
  return match !== null && Number(match[1] ?? 0) <= MAX_PORT
}
