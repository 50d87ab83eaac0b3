import { ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { HeaderList } from '../message/headers.js'
import { checkStatus, reasonPhrase, type TargetResponse } from '../message/response.js'
import { headersByName, withDispositionFirst } from '../message/response-headers.js'

/**
 * Sends a target's response to the client through Fastify, so that the onSend hooks of the route hold.
 * Where a hook has set a header that the target sends too, the target's counts; Set-Cookie and Vary add up.
 *
 * @throws {TargetResponseInvalidError} for an invalid status.
 */
export function sendResponse (reply: FastifyReply, { status, message, headers, body }: TargetResponse): FastifyReply {
  checkStatus(status)
  reply.code(status)
  phraseFor(reply.raw, status, reasonPhrase(status, message))
  const values = headersByName(withDispositionFirst(headers))
  for (const [name, value] of values) {
    // Fastify itself adds to Set-Cookie.
    const set = name === 'vary' ? reply.getHeader(name) : undefined
    reply.header(name, set === undefined ? value : [set, value].flat().map(String))
  }
  if (!isAscii(headers)) sendTextsAsBytes(reply.raw)
  if (status === 204 || status === 304) {
    // What no body can follow is no stream to an onSend hook either: it would say how it has encoded it.
    body.on('error', () => {}).resume()
    // RFC 9110 §8.6.
    if (status === 204) reply.removeHeader('content-length')
    return reply.send()
  }
  restoreNames(reply.raw, headers)
  sendHeadWithoutBody(reply.raw, body)
  return reply.send(body)
}

/** Sets the reason phrase of a status. Where a hook fails, or sets another status, it is not that one's. */
function phraseFor (response: ServerResponse, status: number, phrase: string): void {
  Object.defineProperty(response, 'statusMessage', {
    configurable: true,
    enumerable: true,
    get: () => response.statusCode === status ? phrase : undefined,
    set: (value: string) => { Object.defineProperty(response, 'statusMessage', { value, writable: true }) }
  })
}

/** Fastify writes names in lower case; the client gets them as the target has written them. */
function restoreNames (response: ServerResponse, headers: HeaderList): void {
  response.once('pipe', () => {
    for (let index = 0; index < headers.length; index += 2) {
      const name = headers[index]!
      const value = response.headersSent ? undefined : response.getHeader(name)
      if (value !== undefined) response.setHeader(name, value)
    }
  })
}

/**
 * Node sends the head with the first byte of the body. An event stream may have none for a long time, and
 * where the target dies before it, the client must see a broken response, not another one.
 */
function sendHeadWithoutBody (response: ServerResponse, body: Readable): void {
  const flush = () => { if (!response.headersSent && !response.destroyed) flushHead(response) }
  response.once('pipe', () => {
    const broken = () => {
      flush()
      breakOff(response)
    }
    // A hook may have taken longer than the target has lived.
    if (body.errored !== null) broken()
    else body.prependListener('error', broken)
    // A body that came along with its head is about to be written, in the same packet.
    setImmediate(flush)
  })
}

/**
 * Node joins a head and a text behind it, and writes both in the encoding of the text, which is UTF-8. In front of bytes
 * the head stays as it is. Fastify, or a stream, may send what an onSend hook has put in the place of the body.
 */
function sendTextsAsBytes (response: ServerResponse): void {
  for (const name of ['write', 'end'] as const) {
    const send = response[name].bind(response) as (...args: unknown[]) => unknown
    const sendBytes = (chunk?: unknown, encoding?: unknown, callback?: unknown): unknown => {
      if (typeof chunk !== 'string') return send(chunk, encoding, callback)
      return typeof encoding === 'string'
        ? send(Buffer.from(chunk, encoding as BufferEncoding), callback)
        : send(Buffer.from(chunk), encoding ?? callback)
    }
    response[name] = sendBytes as never
  }
}

function isAscii (headers: HeaderList): boolean {
  return headers.every(item => /^[\0-\x7f]*$/.test(item))
}

/**
 * Sends a head ahead of its body. Node writes it in the default encoding of the connection, which would change what is
 * not ASCII.
 */
export function flushHead (response: ServerResponse): void {
  const { socket } = response
  socket?.setDefaultEncoding('latin1')
  response.flushHeaders()
  socket?.setDefaultEncoding('utf8')
}

/**
 * To HTTP/1.0, which knows no chunks, an ordinary end of the connection can be that of the body. A reset cannot,
 * nor can an end of TLS without a word. A Unix socket has neither: there, only a body with a length is seen to be
 * short.
 */
export function breakOff ({ req, socket }: ServerResponse): void {
  if (req.httpVersion === '1.1' || !(socket instanceof Socket) || socket instanceof TLSSocket) return
  try {
    socket.resetAndDestroy()
  } catch {
    // Documented to throw for what is not TCP.
    socket.destroy()
  }
}

/** The headers of a response that does not pass through Fastify: the target's, and what hooks have set on the reply. */
export function mergedHeaders (reply: FastifyReply, headers: HeaderList): HeaderList {
  const own = Object.entries(reply.getHeaders())
  if (own.length === 0) return headers
  const merged = [...headers]
  const sent = new Set<string>()
  for (let index = 0; index < headers.length; index += 2) sent.add(headers[index]!.toLowerCase())
  for (const [name, value] of own) {
    if (value === undefined || (sent.has(name) && name !== 'set-cookie' && name !== 'vary')) continue
    for (const item of [value].flat()) merged.push(name, String(item))
  }
  return merged
}
