/** What a client gets: the target's response to the request that is told so, or a status. */
export type Outcome = string | number

/** Bytes that a client sends, and what is allowed to become of them. */
export interface Case {
  name: string
  /** In one write each; the next follows when a response has come. */
  send: string | string[]
  /** All answers, in their order. A text is a request that the target sees; the target sees no other. */
  expect: Outcome[]
  /** Other results that are allowed too, such as those of another version of Node. */
  or?: Outcome[][]
  /** Requests that the target sees although nobody gets its response. */
  unanswered?: string[]
  /** Requests that the target may see although nobody gets its response. */
  may?: string[]
  /** The first request is a HEAD: its response has no body, whatever its head says. */
  head?: true
  /** The client ends its half right behind what it sends. */
  end?: true
}

/** A request as text: its start line, with a Host unless `lines` have one or forbid it, and a body. */
export function request (start: string, lines: string[] = [], body = ''): string {
  const host = lines.some(line => /^host/i.test(line)) ? [] : ['Host: gateway.test']
  return [`${start} HTTP/1.1`, ...host, ...lines, '', body].join('\r\n')
}

/** What must never arrive at the target from within another request. */
export const HIDDEN = request('GET /t/hidden')

/** An honest request behind a doubtful one. */
export const NEXT = request('GET /t/next')

/** Handshake lines. */
export const UPGRADE = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']

/** A list of headers with one of them taken out or replaced. */
export function replaced (lines: string[], name: string, ...by: string[]): string[] {
  return lines.flatMap(line => line.toLowerCase().startsWith(`${name.toLowerCase()}:`) ? by : [line])
}
