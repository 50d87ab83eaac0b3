import type { ServerResponse } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { TargetAnswerInvalidError } from '../errors.js'
import { isFieldValue, type HeaderList } from './headers.js'

/** A target's answer, its body still to come. */
export interface Answer {
  status: number
  /** The reason phrase, as sent. */
  message: string
  /** For `sendAnswer`, those that go on to the client. */
  headers: HeaderList
  body: Readable
}

/**
 * Sends a target's answer to the client through Fastify, so that the onSend hooks of the route hold.
 * Where a hook has set a header that the target sends too, the target's counts; Set-Cookie and Vary add up.
 *
 * @throws {TargetAnswerInvalidError} for a status that is none.
 */
export function sendAnswer (reply: FastifyReply, { status, message, headers, body }: Answer): FastifyReply {
  // Fastify takes no status above, and there is none (RFC 9110 §15).
  if (status > 599) {
    body.destroy()
    throw new TargetAnswerInvalidError({ cause: new Error(`the status ${status}`) })
  }
  reply.code(status)
  // undici takes any characters, and Node throws for some of them, later and at nobody. A client ignores it anyway.
  if (isFieldValue(message)) reply.raw.statusMessage = message
  const values = new Map<string, string | string[]>()
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index]!.toLowerCase()
    const value = headers[index + 1]!
    const earlier = values.get(name)
    if (earlier === undefined) values.set(name, value)
    else if (typeof earlier === 'string') values.set(name, [earlier, value])
    else earlier.push(value)
  }
  for (const [name, value] of values) {
    // Fastify itself adds to Set-Cookie.
    const set = name === 'vary' ? reply.getHeader(name) : undefined
    reply.header(name, set === undefined ? value : [set, value].flat().map(String))
  }
  sendHeadWithoutBody(reply.raw, body)
  return reply.send(body)
}

/**
 * Node sends the head with the first byte of the body. An event stream may have none for a long time, and
 * where the target dies before it, the client must see a broken answer, not another one.
 */
function sendHeadWithoutBody (response: ServerResponse, body: Readable): void {
  const flush = () => { if (!response.headersSent && !response.destroyed) response.flushHeaders() }
  response.once('pipe', () => {
    body.prependListener('error', () => {
      flush()
      breakOff(response)
    })
    // A body that came along with its head is about to be written, in the same packet.
    setImmediate(flush)
  })
}

/**
 * To HTTP/1.0, which knows no chunks, an ordinary end of the connection can be that of the body. A reset cannot,
 * nor can an end of TLS without a word.
 */
function breakOff ({ req, socket }: ServerResponse): void {
  if (req.httpVersion !== '1.1' && socket !== null && !(socket instanceof TLSSocket)) socket.resetAndDestroy()
}

/** The headers of a 101, which does not pass through Fastify: the target's, and what hooks have set on the reply. */
export function mergedHeaders (reply: FastifyReply, headers: HeaderList): HeaderList {
  const merged = [...headers]
  const sent = new Set<string>()
  for (let index = 0; index < headers.length; index += 2) sent.add(headers[index]!.toLowerCase())
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value === undefined || (sent.has(name) && name !== 'set-cookie' && name !== 'vary')) continue
    for (const item of [value].flat()) merged.push(name, String(item))
  }
  return merged
}
