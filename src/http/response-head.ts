import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { Writable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { reasonPhrase, type ResponseHead } from '../message/response.js'
import { mergedHeaders } from '../proxy/send-response.js'
import { headerPairs, type HeaderList } from '../message/headers.js'
import { headersByName, isOddDisposition, showHeaders, withDispositionFirst } from '../message/response-headers.js'

const { writeHead, addTrailers } = ServerResponse.prototype

/**
 * Writes the head of a response past Fastify: the target's headers in their order and case, and those that hooks
 * have set on the reply.
 *
 * @throws {Error} Node's, for a head that cannot be sent. Another may be, then.
 */
export function writeResponseHead (reply: FastifyReply, { status, message, headers }: ResponseHead): void {
  const response = reply.raw
  const phrase = reasonPhrase(status, message)
  const own = Object.keys(reply.getHeaders())
  const merged = own.length === 0 ? headers : mergedHeaders(reply, headers)
  if (response.writeHead === writeHead && (own.length === 0 || response.getHeaderNames().length === 0)) {
    response.writeHead(status, phrase, withDispositionKept(merged))
    showHeaders(response, merged)
  } else {
    setHeaders(response, merged)
    try {
      response.writeHead(status, phrase)
    } catch (error) {
      if (!response.headersSent) for (const name of headersByName(merged).keys()) response.removeHeader(name)
      throw error
    }
  }
  // What the reply tells of itself would hide what has been sent.
  for (const name of own) reply.removeHeader(name)
}

/**
 * Middleware that wraps writeHead() in the old way, as on-headers did before 1.1, understands no list of headers, and
 * looks at those that are set. Neither is a list safe where some are set already, or in app.inject(): Node 20 would
 * keep the last one of each name.
 */
function setHeaders (response: ServerResponse, headers: HeaderList): void {
  const names = new Map<string, string>()
  for (let index = headers.length - 2; index >= 0; index -= 2) names.set(headers[index]!.toLowerCase(), headers[index]!)
  const done: string[] = []
  try {
    for (const [name, value] of headersByName(withDispositionFirst(headers))) {
      done.push(name)
      response.setHeader(names.get(name)!, value)
    }
  } catch (error) {
    for (const name of done) response.removeHeader(name)
    throw error
  }
}

/** Adds trailers to a response; app.inject() takes them as an object alone. */
export function addResponseTrailers (response: ServerResponse, trailers: HeaderList): void {
  if (response.addTrailers === addTrailers) response.addTrailers(headerPairs(trailers))
  else response.addTrailers(Object.fromEntries(headersByName(trailers)) as Record<string, string>)
}

/** The headers such that Node writes Content-Disposition as it is. */
function withDispositionKept (headers: HeaderList): HeaderList {
  let kept: HeaderList | undefined
  let hasLength = false
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index]!
    if (name.length === 14 && name.toLowerCase() === 'content-length' && Number(headers[index + 1]) > 0) hasLength = true
    if (!hasLength || !isOddDisposition(name, headers[index + 1]!)) continue
    decodesDisposition ??= findWhetherDecoding()
    if (decodesDisposition) (kept ??= [...headers])[index + 1] = Buffer.from(headers[index + 1]!).toString('latin1')
  }
  return kept ?? headers
}

let decodesDisposition: boolean | undefined

/**
 * Whether this Node takes the value of a Content-Disposition behind a Content-Length for bytes of UTF-8. Node 16.19
 * to 26 do. A value that is encoded once more then comes out as it was, and its place among the headers stays.
 */
function findWhetherDecoding (): boolean {
  const written: Buffer[] = []
  const socket = new Writable({
    write (chunk: Buffer, _encoding, callback) {
      written.push(chunk)
      callback()
    }
  })
  const response = new ServerResponse(new IncomingMessage(new Socket()))
  response.assignSocket(socket as Socket)
  response.writeHead(200, ['Content-Length', '1', 'Content-Disposition', '\xc3\xa9'])
  // Behind a text, Node would write the head as UTF-8.
  response.end(Buffer.from('.'))
  return Buffer.concat(written).includes(Buffer.from('Disposition: \xe9\r', 'latin1'))
}
