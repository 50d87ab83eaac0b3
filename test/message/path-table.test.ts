import t from 'tap'
import type { AddressInfo } from 'node:net'
import type { FastifyServerOptions } from 'fastify'
import type { ProxyRouteOptions } from '../../src/index.js'
import { request } from '../corpus/case.js'
import { recordingTarget } from '../corpus/recording-target.js'
import { gatewayApp } from '../helpers/backends.js'
import { Wire } from '../helpers/wire.js'

/*
 * What the router has matched is what the target gets: paths as they stand on the wire, through the router and
 * a route, and the path that the target was asked for, or the status of a refusal.
 */

interface Table {
  name: string
  url: string
  route?: Omit<ProxyRouteOptions, 'upstream'>
  router?: FastifyServerOptions['routerOptions'] & { useSemicolonDelimiter?: boolean }
  paths: Record<string, string | number>
}

const byParameter: ProxyRouteOptions['rewrite'] = (_path, request) => `/u/${(request.params as { id: string }).id}/x`

const tables: Table[] = [
  {
    name: 'as it is',
    url: '/api/*',
    paths: {
      '/api/': '/api/',
      '/api/a/b?c=/../d': '/api/a/b?c=/../d',
      '/api//a': '/api//a',
      '/api/a//': '/api/a//',
      '/%61pi/a': '/%61pi/a',
      '/api/%61': '/api/%61',
      '/api/a%2Fb': '/api/a%2Fb',
      '/api/a%5Cb': '/api/a%5Cb',
      '/api/a\\b': '/api/a\\b',
      '/api/a%3Fb%23c': '/api/a%3Fb%23c',
      '/api/%252e%252e/x': '/api/%252e%252e/x',
      '/api/%25252e': '/api/%25252e',
      '/api/a;b=../c': '/api/a;b=../c',
      '/api/..a/a../...': '/api/..a/a../...',
      '/api/%00': '/api/%00',
      '/api': 404,
      '/apix': 404,
      '/API/a': 404,
      '//api/a': 404,
      '/api%2Fa': 404,
      '/api%252Fa': 404,
      '\\api\\a': 400,
      '/\\api/a': 404,
      '/./api/a': 404,
      '/x/../api/a': 404,
      '/api/..': 400,
      '/api/.': 400,
      '/api/../x': 400,
      '/api/a/..': 400,
      '/api/a/../../x': 400,
      '/api/%2e': 400,
      '/api/%2e%2E/x': 400,
      '/api/.%2e/x': 400,
      '/api/..%2fx': 400,
      '/api/%2e%2e%2fx': 400,
      '/api/..%5cx': 400,
      '/api/..\\x': 400,
      '/api\\..\\x': 404,
      '/api/a\\..\\..\\x': 400,
      '/api/..;/x': 400,
      '/api/..;a/x': 400,
      '/api/.%2e%3ba/x': 400,
      '/api/..?a': 400,
      '/api/a#b': 400,
      '/api/#/../../x': 400,
      '/api/a?b#c': 400,
      '/api/%zz': 400,
      '/api/%c0%ae%c0%ae/x': 400,
      'http://gateway.test/api/a': '/api/a',
      'http://evil.test/api/a': '/api/a',
      'https://evil.test:1/api/../x': 400,
      '//evil.test/api/a': 404,
      'api/a': 400
    }
  },
  {
    name: 'less a prefix',
    url: '/api/*',
    route: { stripPrefix: '/api' },
    paths: {
      '/api/': '/',
      '/api/a?b': '/a?b',
      '/%61%70%69/a': '/a',
      '/api/%61pi/a': '/%61pi/a',
      // Still a path: what the request names as its origin is the target's business, and cannot be another one.
      '/api//evil.test/a': '//evil.test/a',
      '/api/http://evil.test/': '/http://evil.test/',
      '/api/\\evil.test': '/\\evil.test',
      '/api/%2Fevil.test': '/%2Fevil.test',
      '/api/@evil.test': '/@evil.test',
      '/api/..': 400,
      '/api/%2e%2e/a': 400,
      '/api/..%2fa': 400,
      '/api/..;/a': 400,
      '/api#/a': 404,
      '/api/#a': 400,
      '/api?/': 404,
      '/api%2F..': 404
    }
  },
  {
    name: 'less a prefix, rewritten by a pattern',
    url: '/api/*',
    route: { stripPrefix: '/api', rewrite: { pattern: '^/v1/(.*)$', replacement: '/one/$1' } },
    paths: {
      '/api/v1/a?b=/v1/': '/one/a?b=/v1/',
      '/api/v1/': '/one/',
      '/api/v1/%2Fa': '/one/%2Fa',
      '/api/%76%31/a': '/%76%31/a',
      '/api/v1/../a': 400,
      '/api/v1/%2e%2e/a': 400,
      '/api/v1/%252e%252e/a': '/one/%252e%252e/a'
    }
  },
  {
    name: 'a pattern that would make dots',
    url: '/api/*',
    route: { rewrite: { pattern: 'X', replacement: '.' } },
    paths: { '/api/aXb': '/api/a.b', '/api/X./b': 400, '/api/.X/b': 400, '/api/X': 400 }
  },
  {
    name: 'a pattern that takes the slash away',
    url: '/api/*',
    route: { rewrite: { pattern: '^/api', replacement: '' } },
    paths: { '/api/a': '/a', '/api/': '/', '/api//evil.test': '//evil.test' }
  },
  {
    name: 'rewritten with a decoded parameter',
    url: '/users/:id',
    route: { rewrite: byParameter },
    paths: {
      '/users/7': '/u/7/x',
      '/users/a%2Fb': '/u/a/b/x',
      '/users/a%3Fb': '/u/a?b/x',
      '/users/%25': '/u/%/x',
      '/users/%2525': '/u/%25/x',
      '/users/%2e%2e': 400,
      '/users/..': 400,
      '/users/..%2f..': 400,
      '/users/%252e%252e': 400,
      '/users/%252e%252e%252f': 400,
      '/users/a%252f..%252fb': 400,
      '/users/..%255c': 400,
      '/users/..%253ba': 400,
      '/users/a%23b': 400,
      '/users/a%20b': 400,
      '/users/a%0d%0aX:b': 400,
      '/users/%00': 400,
      '/users/%7f': 400,
      '/users/%e2%82%ac': 400,
      '/users/a/b': 404,
      '/users/': '/u//x'
    }
  },
  {
    name: 'ignoreTrailingSlash',
    url: '/api/users',
    route: { stripPrefix: '/api' },
    router: { ignoreTrailingSlash: true },
    paths: { '/api/users': '/users', '/api/users/': '/users/', '/api/users//': 404, '/api/users/..': 404, '/api/users/%2e%2e/': 404 }
  },
  {
    name: 'caseSensitive: false',
    url: '/api/*',
    route: { stripPrefix: '/api' },
    router: { caseSensitive: false },
    paths: { '/API/A': '/A', '/%41pI/a': '/a', '/API/%2E%2E/a': 400, '/API': 404 }
  },
  {
    name: 'ignoreDuplicateSlashes',
    url: '/api/*',
    route: { stripPrefix: '/api' },
    router: { ignoreDuplicateSlashes: true },
    paths: { '/api/a': '/a', '/api//a': '//a', '/api/a//b': '/a//b', '//api/a': '/a', '///api//a': '//a', '//%61pi/a': '/a', '//api//../a': 400, '/api//..//a': 400 }
  },
  {
    name: 'ignoreDuplicateSlashes, no prefix removed',
    url: '/api/v1/*',
    router: { ignoreDuplicateSlashes: true },
    paths: { '/api//v1/a': '/api//v1/a', '//api/v1/a': '//api/v1/a', '/api//../v1/a': 404, '/api/v1//../a': 400 }
  },
  {
    name: 'useSemicolonDelimiter',
    url: '/api/*',
    route: { stripPrefix: '/api' },
    router: { useSemicolonDelimiter: true },
    paths: { '/api/a;b': '/a;b', '/api/;/../x': 400, '/api/a;/../../x': 400, '/api/..;x': 400, '/api;/a': 404 }
  },
  {
    name: 'useSemicolonDelimiter, the prefix alone',
    url: '/api',
    route: { stripPrefix: '/api' },
    router: { useSemicolonDelimiter: true },
    paths: { '/api': '/', '/api;b=c': '/;b=c', '/api;/..': 400, '/apix;b': 404 }
  },
  {
    // Issue 8, item 15.
    name: 'escapes that are not UTF-8',
    url: '/api/*',
    route: { stripPrefix: '/api' },
    paths: { '/api/caf%E9': '/caf%E9', '/api/%ff/%fe?%E9': '/%ff/%fe?%E9', '/api/caf%C3%A9': '/caf%C3%A9', '/api/%c0%ae%c0%ae/x': 400, '/api/%e0%80%ae': 400, '/api/%': 400, '/api/%zz': 400 }
  },
  {
    name: 'escaped characters that may stand for themselves',
    url: '/@scope/*',
    route: { stripPrefix: '/@scope' },
    paths: { '/@scope/a': '/a', '/%40scope/a': '/a', '/%40scope/%40b': '/%40b', '/@scope%2fa': 404 }
  },
  {
    name: 'whole URLs',
    url: '/api/*',
    route: { stripPrefix: '/api' },
    paths: {
      'http://a.test/api/b?c=http://d.test/': '/b?c=http://d.test/',
      'HTTPS://a.test:8443/api/': '/',
      'http://a.test/api/caf%E9': '/caf%E9',
      'http://a.test': 404,
      'http://a.test?/api/': 404,
      'http://a.test/api/../x': 400,
      'http://user@a.test/api/b': 400,
      'http://a.test:x/api/b': 400,
      'http:///api/b': 400
    }
  }
]

for (const { name, url, route, router, paths } of tables) {
  t.test(name, async t => {
    const target = await recordingTarget(t)
    const app = await gatewayApp(t, router === undefined ? {} : { routerOptions: router })
    app.upstream('target', { targets: [target.url] })
    app.proxy(url, { ...route, upstream: 'target' })
    await app.listen({ port: 0, host: '127.0.0.1' })
    for (const [path, outcome] of Object.entries(paths)) {
      const client = await Wire.connect(t, (app.server.address() as AddressInfo).port)
      client.write(request(`GET ${path}`, ['Connection: close']))
      const { start } = await client.head()
      const status = Number(start.split(' ')[1])
      await client.rest()
      client.end()
      t.equal(status === 200 ? target.requests.shift() : status, typeof outcome === 'string' ? `GET ${outcome}` : outcome, path)
    }
    t.same(target.requests, [])
    t.same(target.violations, [])
  })
}
