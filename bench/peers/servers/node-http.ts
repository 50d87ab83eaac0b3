import { Agent as HttpAgent, createServer as createHttpServer, type RequestListener, type Server } from 'node:http'
import { Agent as HttpsAgent, createServer as createHttpsServer } from 'node:https'
import type { Serving } from './serve.js'

/** What the proxies that stand on Node's own server have in common. */

export function createServer ({ certificate }: Serving, listener: RequestListener): Server {
  return certificate === undefined ? createHttpServer(listener) : createHttpsServer(certificate, listener)
}

/** Options of the proxy. Without an agent it opens a connection for each request. */
export function proxyOptions ({ target, isTargetTls }: Serving): object {
  return { target, agent: new (isTargetTls ? HttpsAgent : HttpAgent)({ keepAlive: true }), xfwd: true, secure: false }
}
