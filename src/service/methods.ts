import { METHODS } from 'node:http'
import type { FastifyInstance } from 'fastify'

/** Those whose requests mean nothing by a body (RFC 4918, RFC 3253, RFC 5842, RFC 2068 §19.6.1, UPnP). A proxied one may have one. */
const WITHOUT_BODY = new Set(['COPY', 'LINK', 'M-SEARCH', 'MOVE', 'PURGE', 'SUBSCRIBE', 'UNLINK', 'UNLOCK', 'UNSUBSCRIBE'])

/**
 * Has an app take all methods that Node's parser knows, such as those of WebDAV and CalDAV, beside Fastify's own.
 * CONNECT asks for a tunnel, and never becomes a request.
 */
export function addAllMethods (app: FastifyInstance): void {
  for (const method of METHODS) {
    if (method === 'CONNECT' || app.supportedMethods.includes(method)) continue
    const name = method.toLowerCase()
    const taken = app.hasDecorator(name)
    app.addHttpMethod(method, { hasBody: !WITHOUT_BODY.has(method) })
    // The shorthand, such as app.notify(), would keep a plugin from a decorator of this name.
    if (!taken) Reflect.deleteProperty(app, name)
  }
}
