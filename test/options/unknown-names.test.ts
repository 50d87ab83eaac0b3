import { KindGuard, type TSchema } from '@sinclair/typebox'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import * as options from '../../src/options/index.js'
import { isMistake } from '../../src/options/unknown-names.js'
import { problems } from '../../src/options/validate.js'
import sluice from '../../src/index.js'

// Issue 12: options that do not exist passed in silence.

const { GatewayConfig, ProxyOptions, UpstreamOptions } = options

/** What is said of one name among right options. */
function said (schema: TSchema, right: object, name: string): string | undefined {
  return problems(schema, { ...right, [name]: 'x' }).find(({ unknownName }) => unknownName)?.message
}

async function gatewayApp (t: Test): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(sluice)
  return app
}

t.test('names of other proxies lead to ours, in each place', async t => {
  for (const [name, ours] of [
    ['rewritePrefix', /'stripPrefix'/], ['wsUpstream', /websocket: { upstream }/], ['upgradeTimeout', /websocket: { handshakeTimeout }/],
    ['changeOrigin', /host: 'target'/], ['target', /'upstream' of a route/], ['pathRewrite', /'rewrite'/], ['secure', /rejectUnauthorized/],
    ['xfwd', /X-Forwarded/], ['ws', /websocket: true/], ['timeout', /'headersTimeout'/], ['proxyTimeout', /'headersTimeout'/],
    ['replyOptions', /'headers'/], ['wsClientOptions', /'websocket'/], ['prefix', /URL of the route/], ['proxy_pass', /'upstream' of a route/],
    ['proxy_read_timeout', /'headersTimeout'/], ['proxy_set_header', /headers: { request:/], ['client_max_body_size', /'bodyLimit'/]
  ] as const) {
    t.match(said(ProxyOptions, { upstream: 'a' }, name), ours, name)
    t.match(said(options.RouteConfig, { url: '/', upstream: 'a' }, name), ours, `${name} in a file`)
    t.ok(isMistake(name), `${name} from code`)
  }
  t.match(said(UpstreamOptions, { targets: ['http://a'] }, 'max_fails'), /'passiveHealth' with 'failures'/)
  t.match(said(UpstreamOptions, { targets: ['http://a'] }, 'target'), /did you mean 'targets'\?/, 'what is nearer comes first')
  t.match(said(GatewayConfig, {}, 'proxy_pass'), /'upstream' of a route/)
})

t.test('an option in the wrong place is shown the right one', async t => {
  t.match(said(ProxyOptions, { upstream: 'a' }, 'retries'), /it is an option of an upstream/)
  t.match(said(ProxyOptions, { upstream: 'a' }, 'origins'), /it is an option of 'websocket' of a route/)
  t.match(said(UpstreamOptions, { targets: ['http://a'] }, 'stripPrefix'), /it is an option of a route/)
  t.match(said(GatewayConfig, {}, 'port'), /it is an option of 'listen'/)
  t.match(said(options.RouteConfig, { url: '/', upstream: 'a' }, 'path'), /the URL is 'url' in a file/)
})

t.test('app.proxy() refuses what is a mistake, and lets pass what plugins may read', async t => {
  const app = await gatewayApp(t)
  let count = 0
  const declare = (name: string) => () => app.proxy(`/${name}/${count++}`, { upstream: 'http://127.0.0.1:1', [name]: undefined, ...{ [name]: name === 'schema' ? {} : 'x' } } as never)
  for (const [name, message] of [
    ['websoket', /did you mean 'websocket'\?/], ['WebSocket', /did you mean 'websocket'\?/], ['strip_prefix', /did you mean 'stripPrefix'\?/],
    ['rewritePrefix', /'stripPrefix' of a route/], ['wsUpstream', /write websocket: { upstream }/], ['hosts', /did you mean 'host'\?/],
    ['prehandler', /did you mean 'preHandler'\?/], ['onRequests', /did you mean 'onRequest'\?/], ['origins', /of 'websocket' of a route/],
    ['handler', /the gateway serves the route/], ['url', /first argument of app\.proxy\(\)/]
  ] as const) t.throws(declare(name), { code: 'SLUICE_OPTIONS_INVALID', message }, name)
  for (const name of ['wsHandler', 'compress', 'decompress', 'helmet', 'rateLimit', 'swagger', 'cors', 'auth', 'session', 'roles', 'request', 'cost', 'hide', 'sse', 'tags', 'cache', 'versions2']) {
    t.notOk(isMistake(name), name)
    if (name !== 'wsHandler' && name !== 'compress') t.doesNotThrow(declare(name), name)
  }
})

t.test('app.proxy() and app.upstream() say what is missing', async t => {
  const app = await gatewayApp(t)
  const proxy = app.proxy.bind(app) as (...args: unknown[]) => unknown
  t.throws(() => proxy('/z'), { code: 'SLUICE_OPTIONS_INVALID', message: /^Route '\/z': option 'upstream': must be a string or a function, but is missing/ })
  t.throws(() => proxy('/z', {}), { message: /^Route '\/z': option 'upstream': .* is missing/ })
  t.throws(() => proxy(['/y', '/z']), { message: /^Route '\/y': option 'upstream'/ })
  t.throws(() => proxy('/z', null), { message: /^Route '\/z': the options must be an object, such as { upstream: 'http:\/\/127\.0\.0\.1:5173' }, got null$/ })
  t.throws(() => proxy('/z', 'http://a'), { message: /the options must be an object, .*, got "http:\/\/a"$/ })
  t.throws(() => proxy('/z', ['http://a']), { message: /the options must be an object, .*, got \["http:\/\/a"\]$/ })
  t.throws(() => proxy(), { code: 'SLUICE_ROUTE_INVALID', message: /the first argument of app\.proxy\(\) must be a URL pattern/ })
  t.throws(() => proxy({ url: '/a', upstream: 'http://a' }), { message: /the first argument of app\.proxy\(\) must be a URL pattern/ })
  t.throws(() => proxy([]), { message: /at least one/ })
  t.throws(() => proxy('api', { upstream: 'http://a' }), { code: 'SLUICE_ROUTE_INVALID', message: "Route 'api': a URL pattern must begin with /, or be *. Did you mean '/api'?" })
  const upstream = app.upstream.bind(app) as (...args: unknown[]) => unknown
  t.throws(() => upstream('u'), { message: /^Upstream 'u': the options must be an object, such as { targets: \['http:\/\/127\.0\.0\.1:5173'\] }, but are missing$/ })
  t.throws(() => upstream('u', 'http://a'), { message: /^Upstream 'u': the options must be an object, such as .*, got "http:\/\/a"$/ })
  t.throws(() => upstream('u', ['http://a']), { message: /the options must be an object, such as { targets: \['http:\/\/127\.0\.0\.1:5173'\] }, got \["http:\/\/a"\]$/ })
  t.throws(() => upstream({ targets: ['http://a'] }), { code: 'SLUICE_OPTIONS_INVALID', message: /the first argument of app\.upstream\(\) must be its name/ })
})

t.test('a route that is there already is named in one line', async t => {
  const app = await gatewayApp(t)
  const upstream = 'http://127.0.0.1:1'
  app.proxy('/a/:id', { upstream })
  t.throws(() => app.proxy('/a/:id', { upstream }), { code: 'SLUICE_ROUTE_INVALID', message: /^Route '\/a\/:id': [^\n]*already[^\n]*$/ })
  t.throws(() => app.proxy('/a/:name', { upstream }), { message: /Names of parameters do not tell routes apart\./ })
})

t.test('every pattern has words of its own, which have no expression in them', async t => {
  const seen = new Set<TSchema>()
  let patterns = 0
  const walk = (schema: unknown): void => {
    if (typeof schema !== 'object' || schema === null || seen.has(schema as TSchema)) return
    seen.add(schema as TSchema)
    if (KindGuard.IsSchema(schema) && KindGuard.IsString(schema) && schema.pattern !== undefined) {
      patterns++
      const { patternErrorMessage } = schema as { patternErrorMessage?: string }
      t.match(patternErrorMessage, /^must /, schema.pattern)
      t.notOk(patternErrorMessage?.includes(schema.pattern) || /\^\[|\]\+|\{\d+\}/.test(patternErrorMessage ?? ''), schema.pattern)
    }
    for (const inner of Object.values(schema)) walk(inner)
  }
  for (const schema of Object.values(options)) walk(schema)
  t.ok(patterns > 10, `${patterns} patterns`)
  const [problem] = problems(options.RouteConstraints, { headers: { 'a b': 'x' } })
  t.match(problem, { path: ['headers', 'a b'], message: /^is not a valid name of a header/ })
})
