import type { FastifyReply, FastifyRequest } from 'fastify'
import { RequestInvalidError } from '../errors.js'
import { sendAnswer } from '../upstreams/answer.js'
import { forwardingOf } from '../upstreams/forwarding.js'
import { hasBody, headerValues, requestHeaders, responseHeaders } from '../upstreams/headers.js'
import type { Rewriting } from '../upstreams/rewriting.js'
import type { Upstream } from '../upstreams/upstream.js'
import { forward } from './forward.js'
import { requestBody } from './request-body.js'

/** Serves a plain request from an upstream. */
export async function proxyRequest (request: FastifyRequest, reply: FastifyReply, upstream: Upstream, rewriting: Rewriting): Promise<FastifyReply> {
  const { raw } = request
  // RFC 9112 §3.2; Node lets it pass. The router has taken the first, a target might take the last.
  if (headerValues(raw.rawHeaders, 'host').length > 1) throw new RequestInvalidError('Host is there more than once')
  const path = rewriting.path(request)
  const target = upstream.select()!
  const rewritten = rewriting.requestHeaders(requestHeaders(raw.rawHeaders, forwardingOf(request), target.address.host), request)
  const { body, headers } = hasBody(raw.headers) ? requestBody(request, rewritten, upstream.bodyTimeout) : { body: null, headers: rewritten }
  const exchange = forward(target, { method: request.method, path, headers, body })
  // Also when all went well; then there is nothing left to cancel.
  reply.raw.once('close', exchange.cancel)
  if (raw.socket.destroyed) exchange.cancel()
  const answer = await exchange.answer
  return sendAnswer(reply, { ...answer, headers: rewriting.responseHeaders(responseHeaders(answer.headers), request, { address: target.address, headers }) })
}
