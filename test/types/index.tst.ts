import type { Static } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import * as sluice from 'sluice'
import * as service from 'sluice/service'
import type { GatewayConfig, RouteConfig } from 'sluice/service'
import type { EndedBy, EndReason, PassthroughOptions, ProxyOptions, ReconnectOptions, SessionEnd, TargetOptions, Traffic, UpstreamFunction, UpstreamOptions, WebSocketOptions, WebSocketSession } from 'sluice'
import { describe, expect, test } from 'tstyche'

type WebSocketConfig = Exclude<NonNullable<RouteConfig['websocket']>, boolean>

/** Whether a type is `any`, which is what everything is assignable to and from. */
type IsAny<T> = 0 extends (1 & T) ? true : false
/** Whether `any` stands somewhere in what an object or array type holds, a few levels deep. */
type HoldsAny<T, Depth extends 0[] = []> =
  IsAny<T> extends true ? true
    : Depth['length'] extends 6 ? false
      : T extends (...args: infer Parameters) => infer Returned ? true extends IsAny<Parameters[number]> | IsAny<Returned> ? true : false
        : T extends object ? true extends { [Key in keyof T]-?: HoldsAny<T[Key], [...Depth, 0]> }[keyof T] ? true : false
          : false

describe('createGateway()', () => {
  test('takes a configuration', () => {
    expect(service.createGateway).type.toBeCallableWith({})
    expect(service.createGateway).type.toBeCallableWith({
      listen: { host: '127.0.0.1', port: 0 },
      logLevel: 'warn' as const,
      trustProxy: ['10.0.0.0/8'],
      upstreams: { app: { targets: ['http://127.0.0.1:5173'] } },
      routes: [{ url: '/*', upstream: 'app', websocket: true }]
    })
    expect(service.createGateway).type.toBeCallableWith({}, { logger: false as const })
    expect(service.createGateway).type.not.toBeCallableWith()
    expect(service.createGateway).type.not.toBeCallableWith({ listen: 8080 })
    expect(service.createGateway).type.not.toBeCallableWith({ logLevel: 'loud' })
    expect(service.createGateway).type.not.toBeCallableWith({ upstreams: { app: {} } })
    expect(service.createGateway).type.not.toBeCallableWith({ routes: [{ url: '/*' }] })
    expect(service.createGateway).type.not.toBeCallableWith({ routes: [{ url: '/*', upstream: () => 'app' }] })
  })

  test('gives the app, and what starts and stops it', () => {
    type Created = Awaited<ReturnType<typeof service.createGateway>>
    expect<Created['app']>().type.toBe<FastifyInstance>()
    expect<Created['listen']>().type.toBe<() => Promise<string>>()
    expect<Created['reload']>().type.toBe<(config: GatewayConfig) => Promise<service.Reloaded>>()
    expect<Created['close']>().type.toBe<() => Promise<void>>()
  })
})

describe('the types of the options', () => {
  test('are those of their schemas', () => {
    expect<Static<typeof sluice.UpstreamOptions>>().type.toBe<UpstreamOptions>()
    expect<Static<typeof service.UpstreamConfig>>().type.toBe<service.UpstreamConfig>()
    expect<Static<typeof sluice.WebSocketOptions>>().type.toBe<WebSocketOptions>()
    expect<Static<typeof sluice.ProxyOptions>>().type.toBe<ProxyOptions>()
    expect<Static<typeof sluice.PassthroughOptions>>().type.toBe<PassthroughOptions>()
    expect<Static<typeof sluice.GatewayOptions>>().type.toBe<sluice.GatewayOptions>()
    expect<Static<typeof service.RouteConfig>>().type.toBe<RouteConfig>()
    expect<Static<typeof service.GatewayConfig>>().type.toBe<GatewayConfig>()
  })
})

describe('the public types', () => {
  test('hold no any', () => {
    expect<HoldsAny<{ deep: Array<{ leak?: any }> }>>().type.toBe<true>()
    expect<HoldsAny<GatewayConfig>>().type.toBe<false>()
    expect<HoldsAny<sluice.GatewayOptions>>().type.toBe<false>()
    expect<HoldsAny<PassthroughOptions>>().type.toBe<false>()
    expect<HoldsAny<ProxyOptions>>().type.toBe<false>()
    expect<HoldsAny<RouteConfig>>().type.toBe<false>()
    expect<HoldsAny<TargetOptions>>().type.toBe<false>()
    expect<HoldsAny<UpstreamOptions>>().type.toBe<false>()
    expect<HoldsAny<UpstreamFunction>>().type.toBe<false>()
    expect<HoldsAny<WebSocketOptions>>().type.toBe<false>()
    expect<HoldsAny<SessionEnd>>().type.toBe<false>()
    expect<HoldsAny<sluice.Gateway>>().type.toBe<false>()
    expect<IsAny<typeof service.createGateway>>().type.toBe<false>()
  })

  test('of a session that has ended', () => {
    expect<SessionEnd>().type.toBeAssignableTo<{ by: EndedBy, reason: EndReason, code: number, duration: number, fromClient: Traffic, fromTarget: Traffic }>()
    expect<Traffic>().type.toBe<{ frames: number, messages: number, bytes: number, stalled: number }>()
  })

  test('of a route of a configuration: the upstream is text', () => {
    expect<RouteConfig['upstream']>().type.toBe<string>()
    expect<ProxyOptions['upstream']>().type.toBe<string | UpstreamFunction>()
  })
})

describe('reconnect', () => {
  const proxy = (_options: WebSocketOptions): void => {}
  const configured = (_options: WebSocketConfig): void => {}

  test('of a route from code, with onReconnect', () => {
    expect(proxy).type.toBeCallableWith({ reconnect: {} })
    expect(proxy).type.toBeCallableWith({ reconnect: { attempts: 3, delay: 100, maxDelay: 1_000, jitter: 1, bufferSize: 1024, codes: [1001, 4000] } })
    expect(proxy).type.toBeCallableWith({ reconnect: { onReconnect: (session: WebSocketSession, attempt: number) => { session.send('target', String(attempt)) } } })
    expect(proxy).type.toBeCallableWith({ reconnect: { onReconnect: async (session: WebSocketSession) => { session.close() } } })
    expect(proxy).type.not.toBeCallableWith({ reconnect: true })
    expect(proxy).type.not.toBeCallableWith({ reconnect: { retries: 3 } })
    expect(proxy).type.not.toBeCallableWith({ reconnect: { onReconnect: 'resume' } })
    expect<ReconnectOptions>().type.toBeAssignableTo<NonNullable<WebSocketOptions['reconnect']>>()
  })

  test('of a route of a configuration, without a function', () => {
    expect(configured).type.toBeCallableWith({ reconnect: { delay: 100 } })
    expect(configured).type.not.toBeCallableWith({ reconnect: { onReconnect: () => {} } })
  })

  test('of a session, and of its end', () => {
    expect<WebSocketSession['reconnects']>().type.toBe<number>()
    expect<SessionEnd['reconnects']>().type.toBe<number | undefined>()
  })
})

describe('the errors', () => {
  test('are classes with a code and a status', () => {
    const error = new sluice.errors.UpstreamDuplicateError('app')
    expect(error).type.toBeAssignableTo<Error>()
    expect(error.code).type.toBe<string>()
    expect(error.statusCode).type.toBe<number | undefined>()
  })
})
