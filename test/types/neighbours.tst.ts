import '@fastify/websocket'
import httpProxy from '@fastify/http-proxy'
import Fastify from 'fastify'
import type { WebSocketOptions } from 'sluice'
import type { GatewayConfig } from 'sluice/service'
import { describe, expect, test } from 'tstyche'

/* @fastify/websocket gives every route option object a `websocket?: boolean` of its own. */

const app = Fastify()

describe('beside @fastify/websocket', () => {
  test('websocket still takes an object', () => {
    expect(app.proxy).type.toBeCallableWith('/*', { upstream: 'app', websocket: true })
    expect(app.proxy).type.toBeCallableWith('/*', { upstream: 'app', websocket: { closeTimeout: 1_000 } })
    app.proxy('/*', { upstream: 'app', websocket: {} as boolean | WebSocketOptions })
  })

  test('a route of a configuration is what app.proxy() takes', () => {
    const { url, ...options } = {} as NonNullable<GatewayConfig['routes']>[number]
    expect(app.proxy).type.toBeCallableWith(url, options)
  })
})

describe('beside @fastify/http-proxy', () => {
  test('a route opts in', () => {
    expect(app.register).type.toBeCallableWith(httpProxy, {
      upstream: 'http://127.0.0.1:5173',
      config: { passthrough: { upstream: 'app' } }
    })
  })
})
