import type { FastifyReply, FastifyRequest } from 'fastify'

/**
 * The client of Vite, up to version 5, asks by a request with this Accept whether the dev server that it has lost is
 * back. Any response tells it so, a 502 too, and the page would be replaced by that.
 */
const VITE_PROBE = 'text/x-vite-ping'

/**
 * Ends the connection of such a request in place of a response, as a server that is down does.
 *
 * @returns Whether the request is one.
 */
export function failProbe (request: FastifyRequest, reply: FastifyReply): boolean {
  if (request.headers.accept !== VITE_PROBE) return false
  request.log.info("Vite's client asks whether its server is back: it is not, so there is no response")
  reply.hijack()
  reply.raw.destroy()
  return true
}
