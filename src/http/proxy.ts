import type { FastifyReply, FastifyRequest } from 'fastify'
import { RequestInvalidError } from '../errors.js'
import { sendAnswer } from '../upstreams/answer.js'
import { forwardingOf } from '../upstreams/forwarding.js'
import { hasBody, headerValues, requestHeaders, responseHeaders, withoutLength } from '../upstreams/headers.js'
import type { Rewriting } from '../upstreams/rewriting.js'
import type { Upstream } from '../upstreams/upstream.js'
import { forward } from './forward.js'
import { requestBody } from './request-body.js'
import { limitStandstill } from './stalled-reader.js'

/**
 * Serves a plain request from an upstream.
 *
 * @param bodyLimit Bytes that its body may have.
 */
export async function proxyRequest (request: FastifyRequest, reply: FastifyReply, upstream: Upstream, rewriting: Rewriting, bodyLimit: number): Promise<FastifyReply> {
  const { raw } = request
  // RFC 9112 §3.2; Node lets it pass. The router has taken the first, a target might take the last.
  if (headerValues(raw.rawHeaders, 'host').length > 1) throw new RequestInvalidError('Host is there more than once')
  const path = rewriting.path(request)
  const target = upstream.select()!
  const headers = rewriting.requestHeaders(requestHeaders(raw.rawHeaders, forwardingOf(request), target.address.host), request)
  const { body, replaced } = hasBody(raw.headers) ? requestBody(request, reply, { timeout: upstream.bodyTimeout, size: bodyLimit }) : { body: null, replaced: false }
  const exchange = forward(target, { method: request.method, path, headers: replaced ? withoutLength(headers) : headers, body })
  // Also when all went well; then there is nothing left to cancel.
  reply.raw.once('close', exchange.cancel)
  if (raw.socket.destroyed) exchange.cancel()
  const answer = await exchange.answer
  limitStandstill(reply.raw, answer.body, upstream.bodyTimeout)
  return sendAnswer(reply, { ...answer, headers: rewriting.responseHeaders(responseHeaders(answer.headers), request) })
}
