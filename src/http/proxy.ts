import type { FastifyReply, FastifyRequest } from 'fastify'
import { BodyConsumedError } from '../errors.js'
import { sendAnswer } from '../upstreams/answer.js'
import { forwardingOf } from '../upstreams/forwarding.js'
import { hasBody, requestHeaders, responseHeaders } from '../upstreams/headers.js'
import type { Rewriting } from '../upstreams/rewriting.js'
import type { Upstream } from '../upstreams/upstream.js'
import { forward } from './forward.js'
import { RequestBody } from './request-body.js'

/** Serves a plain request from an upstream. */
export async function proxyRequest (request: FastifyRequest, reply: FastifyReply, upstream: Upstream, rewriting: Rewriting): Promise<FastifyReply> {
  const { raw } = request
  const path = rewriting.path(request)
  const target = upstream.select()!
  const body = hasBody(raw.headers) ? requestBody(request, upstream.bodyTimeout) : null
  const gone = new AbortController()
  const onGone = () => gone.abort()
  reply.raw.once('close', onGone)
  if (raw.socket.destroyed) onGone()
  const answer = await forward(target, {
    method: request.method,
    path,
    headers: rewriting.requestHeaders(requestHeaders(raw.rawHeaders, forwardingOf(request), target.address.host), request),
    body
  }, gone.signal)
  return sendAnswer(reply, { ...answer, headers: rewriting.responseHeaders(responseHeaders(answer.headers), request) })
}

function requestBody (request: FastifyRequest, timeout: number): RequestBody {
  if (request.body !== undefined && request.body !== null) throw new BodyConsumedError(request.routeOptions.url ?? request.url)
  return new RequestBody(request.raw, timeout)
}
