import Fastify, { type FastifyInstance, type FastifyPluginAsync, type FastifyRequest } from 'fastify'
import sluice, { drop, requestId, sluice as named, type Gateway, type GatewayOptions, type PassthroughOptions, type ProxyRouteOptions, type UpstreamOptions, type WebSocketMessage, type WebSocketSession } from 'sluice'
import { describe, expect, test } from 'tstyche'

const app = Fastify()

describe('the plugin', () => {
  test('is a Fastify plugin with GatewayOptions', () => {
    expect(sluice).type.toBe<FastifyPluginAsync<GatewayOptions>>()
    expect(named).type.toBe<typeof sluice>()
    expect(app.register).type.toBeCallableWith(sluice)
    expect(app.register).type.toBeCallableWith(sluice, { drainTimeout: 1_000 })
    expect(app.register).type.not.toBeCallableWith(sluice, { drainTimeout: '1s' })
    expect(app.register).type.toBeCallableWith(sluice, { requestId: false, forwarded: true, via: 'edge-1' })
    expect(app.register).type.not.toBeCallableWith(sluice, { via: 1 })
    expect(app.register).type.not.toBeCallableWith(sluice, { drainTimout: 1_000 })
  })

  test('ignoreUpgrade gets the request of Node', () => {
    app.register(sluice, {
      ignoreUpgrade: request => {
        expect(request.headers.upgrade).type.toBe<string | undefined>()
        return request.url === '/own'
      }
    })
    expect<GatewayOptions>().type.not.toBeAssignableFrom({ ignoreUpgrade: '/own' })
  })

  test('requestId() is for genReqId, with what trustProxy takes', () => {
    expect(Fastify).type.toBeCallableWith({ trustProxy: '10.0.0.0/8', genReqId: requestId('10.0.0.0/8') })
    expect(requestId).type.toBeCallableWith((address: string, hop: number) => hop < 2 && address !== '')
    expect(requestId).type.not.toBeCallableWith(1)
  })

  test('decorates the app', () => {
    expect(app.gateway).type.toBe<Gateway>()
    expect(app.gateway.sessions.size).type.toBe<number>()
    expect<Parameters<typeof app.upstream>>().type.toBe<[name: string, options: UpstreamOptions]>()
    expect<Parameters<typeof app.proxy>>().type.toBe<[paths: string | readonly string[], options: ProxyRouteOptions]>()
  })

  test('its methods give the app back', () => {
    const instance = app as FastifyInstance
    expect(instance.upstream('app', { targets: ['http://127.0.0.1:5173'] })).type.toBe<FastifyInstance>()
    expect(instance.proxy('/*', { upstream: 'app' })).type.toBe<FastifyInstance>()
  })
})

describe('app.upstream()', () => {
  test('takes targets as strings and as objects', () => {
    expect(app.upstream).type.toBeCallableWith('app', { targets: ['http://127.0.0.1:5173'] })
    expect(app.upstream).type.toBeCallableWith('app', {
      targets: ['http://127.0.0.1:5173', { url: 'http://127.0.0.1:5174', weight: 2 }],
      connectTimeout: 1_000,
      headersTimeout: 1_000,
      bodyTimeout: 1_000
    })
  })

  test('takes nothing else', () => {
    expect(app.upstream).type.not.toBeCallableWith('app')
    expect(app.upstream).type.not.toBeCallableWith('app', {})
    expect(app.upstream).type.not.toBeCallableWith('app', { targets: 'http://127.0.0.1:5173' })
    expect(app.upstream).type.not.toBeCallableWith('app', { targets: [{ weight: 2 }] })
    expect(app.upstream).type.not.toBeCallableWith('app', { targets: [], connectTimeout: '1s' })
    expect(app.upstream).type.not.toBeCallableWith('app', { targets: [], conectTimeout: 1_000 })
  })
})

describe('app.proxy()', () => {
  test('takes the upstream as a name, a URL, or a function', () => {
    expect(app.proxy).type.toBeCallableWith('/*', { upstream: 'app' })
    expect(app.proxy).type.toBeCallableWith('/*', { upstream: () => 'app' })
    expect(app.proxy).type.toBeCallableWith('/*', { upstream: async () => 'app' })
    app.proxy('/*', {
      upstream: request => {
        expect(request).type.toBe<FastifyRequest>()
        return String(request.headers['x-tenant'])
      }
    })
    expect(app.proxy).type.not.toBeCallableWith('/*', {})
    expect(app.proxy).type.not.toBeCallableWith('/*', { upstream: 3 })
    expect(app.proxy).type.not.toBeCallableWith('/*', { upstream: () => 3 })
    expect(app.proxy).type.not.toBeCallableWith('/*', { upstream: async () => undefined })
  })

  test('takes websocket as a boolean or an object', () => {
    expect(app.proxy).type.toBeCallableWith('/*', { upstream: 'app', websocket: true })
    expect(app.proxy).type.toBeCallableWith('/*', { upstream: 'app', websocket: false })
    expect(app.proxy).type.toBeCallableWith('/*', { upstream: 'app', websocket: { handshakeTimeout: 1_000, closeTimeout: 1_000 } })
    expect(app.proxy).type.not.toBeCallableWith('/*', { upstream: 'app', websocket: 'yes' })
    expect(app.proxy).type.not.toBeCallableWith('/*', { upstream: 'app', websocket: { handshakeTimeout: '1s' } })
    expect(app.proxy).type.not.toBeCallableWith('/*', { upstream: 'app', websocket: { timeout: 1_000 } })
  })

  test('takes rewrite as a pattern or a function, and headers as texts, null or functions', () => {
    expect(app.proxy).type.toBeCallableWith('/*', { upstream: 'app', rewrite: { pattern: '^/a', replacement: '/b' } })
    app.proxy('/*', {
      upstream: 'app',
      rewrite: (path, request) => {
        expect(path).type.toBe<string>()
        expect(request).type.toBe<FastifyRequest>()
        return path
      },
      headers: {
        request: {
          Cookie: null,
          'X-Tenant': 'shop',
          'X-Id': (value, request) => {
            expect(value).type.toBe<string | undefined>()
            expect(request).type.toBe<FastifyRequest>()
            return null
          }
        }
      }
    })
    expect(app.proxy).type.not.toBeCallableWith('/*', { upstream: 'app', rewrite: '/b' })
    expect(app.proxy).type.not.toBeCallableWith('/*', { upstream: 'app', rewrite: () => 3 })
    expect(app.proxy).type.not.toBeCallableWith('/*', { upstream: 'app', headers: { 'X-Tenant': 'shop' } })
    expect(app.proxy).type.not.toBeCallableWith('/*', { upstream: 'app', headers: { request: { 'X-Tenant': 3 } } })
  })

  test('takes the route options of Fastify', () => {
    app.proxy('/:id', {
      upstream: 'app',
      method: ['GET', 'POST'],
      constraints: { host: 'example.test' },
      schema: { querystring: { type: 'object' }, headers: { type: 'object' }, params: { type: 'object' } },
      onRequest: async (request, reply) => {
        expect(request.headers.authorization).type.toBe<string | undefined>()
        reply.header('x-seen', 'yes')
      },
      onResponse: async () => {}
    })
    expect(app.proxy).type.not.toBeCallableWith('/*', { upstream: 'app', method: 'POST', onRequest: 'no hook' })
  })

  test('takes no handler, and no schema of what is not parsed', () => {
    expect(app.proxy).type.not.toBeCallableWith('/*', { upstream: 'app', handler: () => 'own' })
    expect(app.proxy).type.not.toBeCallableWith('/*', { upstream: 'app', schema: { body: { type: 'object' } } })
    expect(app.proxy).type.not.toBeCallableWith('/*', { upstream: 'app', schema: { response: {} } })
  })

  test('takes no option of another name', () => {
    expect(app.proxy).type.not.toBeCallableWith('/*', { upstream: 'app', websockets: true })
    expect(app.proxy).type.not.toBeCallableWith('/*', { upstream: 'app', stripprefix: '/api' })
  })
})

describe('config.passthrough', () => {
  test('is typed on every route', () => {
    app.get('/', { config: { passthrough: { upstream: 'app' } } }, () => 'page')
    app.get('/', { config: { passthrough: { upstream: async () => 'app', stripPrefix: '/api', websocket: { closeTimeout: 1_000 } } } }, () => 'page')
    app.get('/', request => {
      expect(request.routeOptions.config.passthrough).type.toBe<PassthroughOptions | undefined>()
    })
    expect(app.get).type.not.toBeCallableWith('/', { config: { passthrough: { upstream: 3 } } }, () => 'page')
    expect<PassthroughOptions>().type.not.toBeAssignableFrom({})
    expect<PassthroughOptions>().type.not.toBeAssignableFrom({ upstream: 'app', websocket: true })
  })
})

describe('message hooks', () => {
  const route = (messages: NonNullable<Exclude<ProxyRouteOptions['websocket'], boolean | undefined>['messages']>): unknown => app.proxy('/*', { upstream: 'app', websocket: { messages } })

  test('return nothing, a string, bytes or drop, at once or later', () => {
    expect(route).type.toBeCallableWith({ fromClient () {}, fromTarget: async () => {} })
    expect(route).type.toBeCallableWith({ fromClient: () => 'text', fromTarget: async () => Buffer.from('bytes') })
    expect(route).type.toBeCallableWith({ fromClient: [() => new Uint8Array(1), () => drop, async () => drop] })
    expect(route).type.toBeCallableWith({ fromClient: ({ text }: WebSocketMessage) => { if (text === '') return drop } })
    expect(route).type.not.toBeCallableWith({ fromClient: () => 1 })
    expect(route).type.not.toBeCallableWith({ fromClient: () => null })
    expect(route).type.not.toBeCallableWith({ fromClient: async () => Symbol('other') })
    expect(route).type.not.toBeCallableWith({ fromClients () {} })
  })

  test('have limits, and get the message and the session', () => {
    expect(route).type.toBeCallableWith({ maxSize: 1, maxPending: 1, timeout: 1 })
    expect(route).type.not.toBeCallableWith({ maxSize: '1MiB' })
    route({
      fromClient: (message, session) => {
        expect(message).type.toBe<WebSocketMessage>()
        expect(message.text).type.toBe<string | undefined>()
        expect(session).type.toBe<WebSocketSession>()
        expect(session.send).type.toBeCallableWith('client', 'text')
        expect(session.send).type.toBeCallableWith('target', new Uint8Array(1))
        expect(session.send).type.not.toBeCallableWith('both', 'text')
      },
      onClose: (code, reason, _session, from) => {
        expect(code).type.toBe<number>()
        expect(reason).type.toBe<string>()
        expect(from).type.toBe<'client' | 'target'>()
      }
    })
  })

  test('of a scope are for one side', () => {
    expect(app.addMessageHook).type.toBeCallableWith('fromClient', () => drop)
    expect(app.addMessageHook).type.not.toBeCallableWith('fromServer', () => drop)
  })
})
