import type { ParsedUrlQueryInput } from 'node:querystring'
import type httpProxy from '@fastify/http-proxy'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ProxyOptions, WebSocketOptions } from '../options/index.js'

/** The options of WebSockets that have another name in @fastify/http-proxy, and what that is. */
export const SAID_ELSEWHERE = {
  upstream: 'wsUpstream, upstream or replyOptions.getUpstream',
  connectTimeout: 'wsClientOptions.handshakeTimeout',
  handshakeTimeout: 'wsClientOptions.handshakeTimeout',
  compression: 'perMessageDeflate: false in wsServerOptions',
  maxMessageSize: 'maxPayload in wsServerOptions and wsClientOptions'
} as const

/**
 * What the gateway can do beside the options of @fastify/http-proxy: the options of a route's `websocket`, but for those that
 * have a name there already, and `host`.
 */
export interface HttpProxyPassthroughOptions extends Omit<WebSocketOptions, keyof typeof SAID_ELSEWHERE> {
  /** Host of the handshake to the target: 'target' for that of the target's URL, 'preserve' for the client's. Default: 'target', as for requests. */
  host?: NonNullable<ProxyOptions['host']>
}

/** The options of the original, those of WebSockets included. */
export type OriginalOptions = Parameters<typeof httpProxy>[1]

interface OwnOptions {
  /** What the gateway can do beside the options of @fastify/http-proxy; only with `websocket: true`. */
  passthrough?: HttpProxyPassthroughOptions
}

/** The options under the name that they have in @fastify/http-proxy, which leaves out those for WebSockets, and ours. */
export type FastifyHttpProxyOptions = httpProxy.FastifyHttpProxyOptions & OwnOptions

/** All options of the plugin. */
export type HttpProxyOptions = OriginalOptions & OwnOptions

/** The function that takes the place of the headers of the client (`wsClientOptions.rewriteRequestHeaders`). */
export type RewriteRequestHeaders = (headers: Record<string, string>, request: FastifyRequest) => Record<string, string | number | readonly string[] | undefined>

/** `wsClientOptions.queryString`: parameters, or a function that gives the query without its question mark. */
export type QueryString = ParsedUrlQueryInput | ((search: string, url: string, request: FastifyRequest) => string)

/** `reply.fromParameters()`, which @fastify/http-proxy adds: the path of a request for the target. */
export type FromParameters = (url: string, params?: unknown, prefix?: string) => { url: string, options: unknown }

/** A reply of a route of @fastify/http-proxy. */
export type ProxyReply = FastifyReply & { fromParameters: FromParameters }
