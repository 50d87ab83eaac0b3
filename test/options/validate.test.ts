import t from 'tap'
import { Type, type TSchema } from '@sinclair/typebox'
import { GatewayConfig, ProxyOptions, UpstreamConfig, UpstreamOptions } from '../../src/options/index.js'
import { problems, validated } from '../../src/options/validate.js'

/** The problems as text, the hint in brackets left out. */
function told (schema: TSchema, value: unknown): string[] {
  return problems(schema, value).map(({ path, message }) => `${path.join('.')}: ${message.replace(/ \(.*\)$/, '')}`)
}

t.test('says what would be right', async t => {
  t.strictSame(told(GatewayConfig, 42), [': must be an object, got 42'])
  t.strictSame(told(GatewayConfig, { listen: { port: '8080' } }), ['listen.port: must be an integer, got "8080"'])
  t.strictSame(told(GatewayConfig, { listen: { port: -1 } }), ['listen.port: must be an integer of at least 0, got -1'])
  t.strictSame(told(GatewayConfig, { listen: { port: 65536 } }), ['listen.port: must be an integer of at most 65535, got 65536'])
  t.strictSame(told(GatewayConfig, { listen: { host: '' } }), ['listen.host: must be a string with a length of at least 1, got ""'])
  t.strictSame(told(GatewayConfig, { logLevel: 'loud' }),
    ['logLevel: must be one of fatal, error, warn, info, debug, trace, silent, got "loud"'])
  t.strictSame(told(UpstreamOptions, { targets: [] }), ['targets: must be an array with a length of at least 1, got []'])
  t.strictSame(told(UpstreamConfig, {}), ['targets: must be an array or an object, but is missing'])
  t.match(problems(UpstreamOptions, {})[0]!.message, /\(The interchangeable targets,/, 'the description is the hint')
})

t.test('knows the options that there are', async t => {
  t.strictSame(problems(GatewayConfig, { lisen: {} }),
    [{ path: ['lisen'], message: "there is no such option; did you mean 'listen'?", unknownName: true }])
  t.strictSame(told(GatewayConfig, { listen: { tls: { cert: 'a', key: 'b', file: 'c' } } }), ['listen.tls.file: there is no such option; known are cert, key, handshakeTimeout'])
})

t.test('inside a union, explains the branch that the value came nearest to', async t => {
  t.strictSame(told(UpstreamOptions, { targets: [5] }), ['targets.0: must be a string or an object, got 5'])
  t.strictSame(told(UpstreamOptions, { targets: [''] }), ['targets.0: must be a string with a length of at least 1, got ""'])
  t.strictSame(told(UpstreamOptions, { targets: [{ ur: 'http://a', weight: 0 }] }), [
    'targets.0.url: must be a string, but is missing',
    "targets.0.ur: there is no such option; did you mean 'url'?",
    'targets.0.weight: must be an integer of at least 1, got 0'
  ])
  t.strictSame(told(ProxyOptions, { upstream: 'a', websocket: 'yes' }), ['websocket: must be a boolean or an object, got "yes"'])
  t.strictSame(told(ProxyOptions, { upstream: 'a', websocket: { closeTimeot: 1 } }),
    ["websocket.closeTimeot: there is no such option; did you mean 'closeTimeout'?"])
  t.strictSame(told(ProxyOptions, { upstream: 5 }), ['upstream: must be a string or a function, got 5'])
})

t.test('finds every problem, one a place', async t => {
  t.strictSame(told(GatewayConfig, { listen: { port: 1.5, hsot: 'a' }, routes: [{}], upstreams: null }), [
    "listen.hsot: there is no such option; did you mean 'host'?",
    'listen.port: must be an integer, got 1.5',
    'upstreams: must be an object, got null',
    'routes.0.url: must be a string or an array, but is missing',
    'routes.0.upstream: must be a string, but is missing'
  ])
  t.strictSame(told(GatewayConfig, { upstreams: { 'a/b~c': {} } }), ['upstreams.a/b~c.targets: must be an array or an object, but is missing'])
})

t.test('shows no more of a value than is needed', async t => {
  const [problem] = problems(Type.Integer(), 'x'.repeat(1000))
  t.equal(problem!.message, `must be an integer, got "${'x'.repeat(56)}...`)
  t.match(problems(Type.Integer(), () => 1)[0]!.message, 'got a function')
})

t.test('validated() gives the value or throws', async t => {
  const options = { targets: ['http://a'] }
  t.equal(validated(UpstreamOptions, options, "Upstream 'a'"), options)
  t.throws(() => validated(UpstreamOptions, { targets: 1, weigth: 1 }, "Upstream 'a'"), {
    code: 'SLUICE_OPTIONS_INVALID',
    message: /^Upstream 'a': option 'weigth': there is no such option.*; option 'targets': must be an array or an object or an async iterable, got 1/
  })
  t.throws(() => validated(UpstreamOptions, null, "Upstream 'a'"), { message: /^Upstream 'a': must be an object, got null/ })
})
