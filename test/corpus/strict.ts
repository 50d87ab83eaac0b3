/**
 * A parser of HTTP/1.1 that knows nothing of Node's: what RFC 9112 leaves to the leniency of a recipient is
 * a violation here, so that a message which it reads can be read in no other way.
 */

export interface Message {
  start: string
  headers: Array<[name: string, value: string]>
  body: string
  /** The header lines behind the last chunk. */
  trailers: string[]
}

export type Reading =
  | { message: Message, length: number }
  /** The message is not there as a whole. */
  | { missing: 'head' | 'body', start: string }
  | { violation: string }

export interface ReadingOptions {
  /** Tells, from its head, whether a message ends with it. */
  bodyless? (start: string, headers: Message['headers']): boolean
  /** Whether a message without a length ends with the connection, and whether that has ended. */
  untilEnd?: { ended: boolean }
  /** Whether header lines may stand behind the last chunk. */
  trailers?: boolean
}

const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*([\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?[\t ]*$/

/** Reads the first message of a text of Latin 1. */
export function readMessage (text: string, { bodyless, untilEnd, trailers = false }: ReadingOptions = {}): Reading {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return { missing: 'head', start: text.split('\r\n', 1)[0]! }
  const [start, ...lines] = text.slice(0, end).split('\r\n') as [string, ...string[]]
  const headers: Message['headers'] = []
  for (const line of lines) {
    const match = HEADER.exec(line)
    if (match === null) return { violation: `the header line ${JSON.stringify(line)}` }
    headers.push([match[1]!.toLowerCase(), match[2] ?? ''])
  }
  const at = end + 4
  const done = (body: string, length: number, trailers: string[] = []): Reading => ({ message: { start, headers, body, trailers }, length })
  const values = (name: string) => headers.filter(header => header[0] === name).map(([, value]) => value)
  const lengths = values('content-length')
  const codings = values('transfer-encoding')
  if (lengths.length + codings.length > 1) return { violation: `${lengths.length} lengths and ${codings.length} transfer codings` }
  if (bodyless?.(start, headers) === true) return done('', at)
  if (codings.length === 1) return codings[0] === 'chunked' ? readChunks(text, at, { start, trailers, done }) : { violation: `the transfer coding ${codings[0]}` }
  if (lengths.length === 0) {
    if (untilEnd === undefined) return done('', at)
    return untilEnd.ended ? done(text.slice(at), text.length) : { missing: 'body', start }
  }
  if (!/^\d{1,15}$/.test(lengths[0]!)) return { violation: `the length ${lengths[0]}` }
  const last = at + Number(lengths[0])
  return last > text.length ? { missing: 'body', start } : done(text.slice(at, last), last)
}

interface Chunks { start: string, trailers: boolean, done (body: string, length: number, trailers?: string[]): Reading }

function readChunks (text: string, at: number, { start, trailers, done }: Chunks): Reading {
  let body = ''
  for (;;) {
    const end = text.indexOf('\r\n', at)
    if (end === -1) return { missing: 'body', start }
    const line = text.slice(at, end)
    if (!/^[0-9a-f]{1,8}$/i.test(line)) return { violation: `the chunk size ${JSON.stringify(line)}` }
    const size = Number.parseInt(line, 16)
    if (size === 0 && trailers) return readTrailers(text, end, body, { start, trailers, done })
    const next = end + 2 + size
    if (text.length < next + 2) return { missing: 'body', start }
    // Without trailers, the line behind the last chunk is the end of the body.
    if (text.slice(next, next + 2) !== '\r\n') return { violation: `${JSON.stringify(text.slice(next, next + 10))} behind a chunk` }
    if (size === 0) return done(body, next + 2)
    body += text.slice(end + 2, next)
    at = next + 2
  }
}

/** What would tell the framing anew to a recipient that merges trailers into the headers (RFC 9110 §6.5.1). */
const NO_TRAILER = /^(?:connection|content-length|keep-alive|te|trailer|transfer-encoding|upgrade):/i

function readTrailers (text: string, at: number, body: string, { start, done }: Chunks): Reading {
  const end = text.indexOf('\r\n\r\n', at)
  if (end === -1) return { missing: 'body', start }
  const lines = text.slice(at + 2, end).split('\r\n').filter(line => line !== '')
  const wrong = lines.find(line => !HEADER.test(line) || NO_TRAILER.test(line))
  return wrong === undefined ? done(body, end + 4, lines) : { violation: `the trailer ${JSON.stringify(wrong)}` }
}

/** What is wrong with the start and the Host of a request, or undefined. */
export function requestFault ({ start, headers }: Message): string | undefined {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+ \/[\x21\x22\x24-\x7e\x80-\xff]* HTTP\/1\.1$/.test(start)) return `the request line ${JSON.stringify(start)}`
  if (headers.filter(([name]) => name === 'host').length !== 1) return 'not one Host'
  return undefined
}
