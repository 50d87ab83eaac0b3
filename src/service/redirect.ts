import type { FastifyInstance } from 'fastify'
import type { Socket } from 'node:net'
import { RequestInvalidError } from '../errors.js'
import { isHost } from '../message/host.js'
import { httpsUrl } from './listeners.js'

/** Permanent, and the method stays (RFC 9110 §15.4.9). */
const PERMANENT = 308

/**
 * Responds to what comes on a listener with `redirectToHttps`: every request, and every handshake, is sent to the same
 * URL under https.
 *
 * @param portOf The port of https, for a connection of such a listener; undefined for others.
 */
export function redirectToHttps (app: FastifyInstance, portOf: (socket: Socket) => number | undefined): void {
  app.addHook('onRequest', (request, reply, done) => {
    const port = portOf(request.raw.socket)
    if (port === undefined) return done()
    const { headers: { host }, url = '' } = request.raw
    // An absolute URL names its host itself (RFC 9112 §3.2.2).
    const [name = '', target] = /^https?:\/\//i.test(url) ? partsOf(url.slice(url.indexOf('//') + 2)) : [host, url]
    if (name === '' || !isHost(name) || !target.startsWith('/')) return done(new RequestInvalidError('its Host is needed, since it is redirected to https'))
    reply.code(PERMANENT).header('location', httpsUrl(name, port, target)).send()
  })
}

/** The authority of an absolute URL without its scheme, and its path and query. */
function partsOf (text: string): [name: string, target: string] {
  const end = text.search(/[/?#]/)
  if (end === -1) return [text, '/']
  return [text.slice(0, end), text[end] === '/' ? text.slice(end) : `/${text.slice(end)}`]
}
