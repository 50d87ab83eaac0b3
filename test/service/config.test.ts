import t from 'tap'
import { checkedConfig, configProblems } from '../../src/service/config.js'
import { locateInObject } from '../../src/service/places.js'

/** The problems as text. */
function told (config: unknown, openEnded = false): string[] {
  return configProblems(config, openEnded).map(({ path, message }) => `${path.join('.')}: ${message}`)
}

t.test('a right configuration has no problems', async t => {
  t.strictSame(told({}), [])
  t.strictSame(told({
    listen: { host: '::', port: 0 },
    logLevel: 'silent',
    drainTimeout: 1,
    trustProxy: ['10.0.0.0/8'],
    upstreams: { app: { targets: ['http://a', { url: 'https://b:8443', weight: 3 }] } },
    routes: [
      { url: '/api/*', upstream: 'app', stripPrefix: '/api' },
      { url: '/*', upstream: 'app', method: 'GET', websocket: { handshakeTimeout: 1 } },
      { url: '/*', upstream: 'http://c', method: ['POST', 'PUT'] },
      { url: '/socket', upstream: 'unix:/run/app.sock' }
    ]
  }), [])
})

t.test('a target must be the URL of one', async t => {
  const problems = told({
    upstreams: { app: { targets: ['127.0.0.1:80', { url: 'ws://a' }, 'http://a/path?query'] } },
    routes: [{ url: '/', upstream: 'ftp://a' }]
  })
  t.equal(problems.length, 4)
  t.match(problems[0], /^upstreams\.app\.targets\.0: '127\.0\.0\.1:80' is not a valid target: .*http:\/\/127\.0\.0\.1:80/)
  t.match(problems[1], /^upstreams\.app\.targets\.1\.url: 'ws:\/\/a' is not a valid target: /)
  t.match(problems[2], /^upstreams\.app\.targets\.2: 'http:\/\/a\/path\?query' is not a valid target: .*write 'http:\/\/a\/path'/)
  t.match(problems[3], /^routes\.0\.upstream: 'ftp:\/\/a' is not a valid target: /)
})

t.test('a route must name a declared upstream', async t => {
  t.strictSame(told({ routes: [{ url: '/', upstream: 'app' }] }),
    ["routes.0.upstream: upstream 'app' is not declared; declare it under 'upstreams'"])
  const upstreams = { frontend: { targets: ['http://a'] }, backend: { targets: ['http://b'] } }
  t.strictSame(told({ upstreams, routes: [{ url: '/', upstream: 'fronted' }] }),
    ["routes.0.upstream: upstream 'fronted' is not declared; did you mean 'frontend'?"])
  t.strictSame(told({ upstreams, routes: [{ url: '/', upstream: 'api' }] }),
    ["routes.0.upstream: upstream 'api' is not declared; declare it under 'upstreams', or name one of frontend, backend"])
  for (const [upstream, url] of [['localhost:5173', 'http://localhost:5173'], [':5173', 'http://127.0.0.1:5173'], ['5173', 'http://127.0.0.1:5173'], ['http:/a', 'http://a']]) {
    t.strictSame(told({ upstreams, routes: [{ url: '/', upstream }] }), [`routes.0.upstream: upstream '${upstream}' is not declared; did you mean '${url}'?`])
  }
  t.strictSame(told({ upstreams, routes: [{ url: '/', upstream: 'api' }] }, true), [], 'unless plugins may declare it')
})

t.test('two routes cannot serve the same', async t => {
  const upstream = 'http://a'
  const message = "'/*' is served by routes.0 already; give them different methods or constraints, or remove one"
  t.strictSame(told({ routes: [{ url: '/*', upstream }, { url: '/*', upstream }] }), [`routes.1.url: ${message}`])
  t.strictSame(told({ routes: [{ url: '/*', upstream, method: ['GET', 'POST'] }, { url: '/*', upstream, method: 'POST' }] }),
    [`routes.1.url: ${message}`])
  t.strictSame(told({ routes: [{ url: '/*', upstream, method: 'get' }, { url: '/*', upstream, method: 'GET' }] }),
    [`routes.1.url: ${message}`])
  t.strictSame(told({ routes: [{ url: '/*', upstream, method: 'GET' }, { url: '/*', upstream, method: 'POST' }] }), [])
  t.strictSame(told({ routes: [{ url: ['/a', '/*'], upstream }, { url: ['/b', '/*'], upstream }] }), [`routes.1.url: ${message}`])
  t.strictSame(told({ routes: [{ url: ['/a', '/a/*'], upstream }, { url: '/*', upstream }] }), [])
  t.strictSame(told({ routes: [{ url: ['/a', '/b', '/a'], upstream }] }), ["routes.0.url: '/a' is there twice; remove one"])
  t.strictSame(told({ routes: [{ url: '/:id/a', upstream }, { url: '/:name/a', upstream }] }),
    ["routes.1.url: '/:name/a' is served by routes.0 already ('/:id/a': names of parameters do not tell routes apart); give them different methods or constraints, or remove one"])
  t.strictSame(told({ routes: [{ url: '/:id(^\\d+$)', upstream }, { url: '/:id', upstream }, { url: '/::id', upstream }, { url: '/::name', upstream }] }), [])
})

t.test('all kinds of problems are found at once, and none hides behind a wrong type', async t => {
  const problems = told({ listen: 1, upstreams: { a: { targets: ['x', 5] }, b: 1, c: { targets: 'http://a' } }, routes: [5, { url: 7, upstream: 'zzz' }] })
  t.strictSame(problems.map(problem => problem.split(': ')[0]).sort(),
    ['listen', 'routes.0', 'routes.1.upstream', 'routes.1.url', 'upstreams.a.targets.0', 'upstreams.a.targets.1', 'upstreams.b', 'upstreams.c.targets'])
  for (const nothing of [null, undefined, [], 'x', 1]) t.equal(told(nothing).length, 1)
})

t.test('the error has a line for each problem', async t => {
  t.throws(() => checkedConfig({ listen: 1, x: 2 }, locateInObject, false), {
    code: 'SLUICE_CONFIG_INVALID',
    message: /^x: there is no such option; known are .*\nlisten: must be an object or an array, got 1.*$/
  })
  t.throws(() => checkedConfig(null, locateInObject, false), { message: /^configuration: must be an object, got null/ })
})
