import original from '@fastify/http-proxy'
import type { FastifyHttpProxyOptions as OriginalOptions } from '@fastify/http-proxy'
import Fastify, { type FastifyRequest } from 'fastify'
import type { UpstreamAtUrl, UpstreamFunction, UpstreamOptions, WebSocketOptions } from 'sluice'
import httpProxy, { defaultHttpMethods, defaultRoutes, fastifyHttpProxy, type FastifyHttpProxyOptions, type HttpProxyOptions, type HttpProxyPassthroughOptions } from 'sluice/http-proxy'
import { describe, expect, test } from 'tstyche'

const app = Fastify()
const upstream = 'http://127.0.0.1:5173'

describe('a registration of @fastify/http-proxy', () => {
  test('is one of ours', () => {
    expect(app.register).type.toBeCallableWith(httpProxy, { upstream, prefix: '/shop', rewritePrefix: '/v1', http2: false })
    app.register(httpProxy, {
      upstream,
      websocket: true,
      wsUpstream: 'ws://127.0.0.1:5173',
      wsHooks: { onConnect: (context, source, target) => { context.log.info(source.protocol + target.url) } },
      wsClientOptions: { headers: { a: 'b' }, queryString: (_search, url) => url },
      wsServerOptions: { maxPayload: 10 },
      constraints: { host: 'a.test' },
      preHandler: (_request, reply) => { expect(reply.fromParameters('/x').url).type.toBe<string>() }
    })
    expect(app.register).type.not.toBeCallableWith(httpProxy, { upstream: 7 })
  })

  test('may have its options in variables', () => {
    const options: Parameters<typeof original>[1] = { upstream, websocket: true }
    expect(app.register).type.toBeCallableWith(httpProxy, options)
  })

  test('its types have the same names', () => {
    expect<FastifyHttpProxyOptions>().type.toBeAssignableTo<OriginalOptions>()
    expect<FastifyHttpProxyOptions>().type.toBeAssignableFrom<OriginalOptions>()
    expect<original.FastifyHttpProxyOptions>().type.toBe<OriginalOptions>()
    expect<fastifyHttpProxy.FastifyHttpProxyOptions>().type.toBe<FastifyHttpProxyOptions>()
    expect(fastifyHttpProxy).type.toBe(httpProxy)
    expect(defaultRoutes).type.toBe<readonly string[]>()
    expect(defaultHttpMethods).type.toBe<readonly string[]>()
  })
})

describe('options of ours', () => {
  test('stand under passthrough', () => {
    expect(app.register).type.toBeCallableWith(httpProxy, { upstream, websocket: true, passthrough: { host: 'preserve', idleTimeout: 60_000, origins: 'same-origin' } })
    expect<HttpProxyOptions['passthrough']>().type.toBe<HttpProxyPassthroughOptions | undefined>()
    expect<HttpProxyPassthroughOptions['until']>().type.toBe<WebSocketOptions['until']>()
  })

  test('but for those that have a name already', () => {
    expect<HttpProxyPassthroughOptions>().type.not.toHaveProperty('upstream')
    expect<HttpProxyPassthroughOptions>().type.not.toHaveProperty('handshakeTimeout')
    expect<HttpProxyPassthroughOptions>().type.not.toHaveProperty('compression')
    expect<HttpProxyPassthroughOptions>().type.not.toHaveProperty('maxMessageSize')
  })
})

describe('a target at a URL, with TLS options', () => {
  test('that are those of an upstream', () => {
    expect<UpstreamAtUrl['tls']>().type.toBe<UpstreamOptions['tls']>()
    expect<UpstreamFunction>().type.toBeAssignableFrom((request: FastifyRequest) => ({ url: request.hostname, tls: { rejectUnauthorized: false } }))
  })
})
