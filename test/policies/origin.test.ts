import t from 'tap'
import { startGateway, type GatewaySettings } from '../helpers/gateway.js'
import { handshake } from '../helpers/raw-client.js'
import { echoBackend } from '../helpers/backends.js'
import { Wire, type Teardown } from '../helpers/wire.js'
import { originCheck, type Origins } from '../../src/policies/origin.js'

/** Which of the origins are let through, by the function alone. */
function allowed (origins: Origins, host: string, secure: boolean, ...candidates: string[]): string[] {
  const check = originCheck(origins, false)
  return candidates.filter(origin => check({ origin }, host, secure))
}

t.test("'same-origin' is the scheme, host and port of the request", async t => {
  const good = (origin: string, host: string, secure = false) => t.ok(originCheck('same-origin', false)({ origin }, host, secure), `${origin} at ${host}`)
  const bad = (origin: string, host: string, secure = false) => t.notOk(originCheck('same-origin', false)({ origin }, host, secure), `${origin} at ${host}`)
  good('http://example.com', 'example.com')
  good('HTTP://EXAMPLE.com', 'example.COM')
  good('https://example.com', 'example.com', true)
  good('http://example.com:8080', 'example.com:8080')
  good('http://[::1]:8080', '[::1]:8080')
  // Browsers leave the port of the scheme out; some proxies add it to X-Forwarded-Host.
  good('https://example.com', 'example.com:443', true)
  good('http://example.com', 'example.com:80')
  bad('https://example.com', 'example.com')
  bad('http://example.com', 'example.com', true)
  bad('http://example.com:8080', 'example.com')
  bad('http://example.com', 'example.com:8080')
  bad('http://example.com', 'example.com:443')
  bad('http://www.example.com', 'example.com')
  bad('http://example.com.evil.com', 'example.com')
  bad('http://example.com/', 'example.com')
  bad('null', 'example.com')
  bad('null', 'null')
  bad('', 'example.com')
  bad('example.com', 'example.com')
})

t.test('a list, in which * stands for subdomains', async t => {
  t.strictSame(allowed(['https://*.example.com'], 'x', true,
    'https://a.example.com', 'https://a.b.example.com', 'https://A.Example.COM', 'https://my_app.example.com', 'https://xn--bcher-kva.example.com',
    'https://example.com', 'https://.example.com', 'https://a..example.com', 'https://evil-example.com', 'https://a.example.com.evil.com',
    'https://a.example.com:8443', 'http://a.example.com', 'https://evil.com/a.example.com', 'https://evil.com#.example.com', 'https://evil.com?.example.com',
    'https://user@a.example.com', 'https://aXexample.com', 'https://a.exampleXcom', 'https://a.example.com, https://b.example.com', 'null', ''
  ), ['https://a.example.com', 'https://a.b.example.com', 'https://A.Example.COM', 'https://my_app.example.com', 'https://xn--bcher-kva.example.com'])
  t.strictSame(allowed(['https://*.example.com:8443'], 'x', true, 'https://a.example.com:8443', 'https://a.example.com', 'https://a.example.com:84431'), ['https://a.example.com:8443'])
  t.strictSame(allowed(['http://localhost:*'], 'x', true, 'http://localhost:3000', 'http://localhost', 'http://localhost:', 'http://localhost.evil.com:80'), ['http://localhost:3000'])
  t.strictSame(allowed(['https://example.com:443', 'http://other.test:80'], 'x', true, 'https://example.com', 'http://other.test', 'http://example.com'), ['https://example.com', 'http://other.test'], "a scheme's own port is none")
  t.strictSame(allowed(['null', 'chrome-extension://abcdef'], 'x', true, 'null', 'chrome-extension://abcdef', 'https://null'), ['null', 'chrome-extension://abcdef'])
  t.strictSame(allowed(['https://a.test', 'https://b.test'], 'a.test', true, 'https://a.test', 'https://b.test', 'https://c.test'), ['https://a.test', 'https://b.test'])
})

/** The status of handshakes with these headers, and how often the target was connected. */
async function statuses (t: Teardown, settings: Omit<GatewaySettings, 'targets'>, ...all: Array<Record<string, string>>): Promise<Array<number | string>> {
  const backend = await echoBackend(t)
  let dialled = 0
  backend.server.on('connection', () => { dialled++ })
  const { port } = await startGateway(t, { targets: [backend.url], ...settings })
  const seen: Array<number | string> = []
  for (const headers of all) {
    const before = dialled
    const client = await Wire.connect(t, port)
    client.write(handshake({ headers }))
    const status = Number((await client.head()).start.split(' ')[1])
    seen.push(status === 101 || dialled === before ? status : 'refused, but dialled')
    client.reset()
  }
  return seen
}

t.test('by default any origin passes, or none', async t => {
  t.strictSame(await statuses(t, {}, {}, { Origin: 'https://evil.com' }, { Origin: 'null' }), [101, 101, 101])
})

t.test('requireOrigin', async t => {
  t.strictSame(await statuses(t, { route: { websocket: { requireOrigin: true } } }, {}, { Origin: 'https://any.test' }), [403, 101])
  t.strictSame(await statuses(t, { route: { websocket: { origins: ['https://a.test'], requireOrigin: true } } }, {}, { Origin: 'https://a.test' }, { Origin: 'https://b.test' }), [403, 101, 403])
})

t.test("'same-origin' at the gateway, and behind a proxy that is trusted", async t => {
  const route = { websocket: { origins: 'same-origin' as const } }
  t.strictSame(await statuses(t, { route },
    {}, { Origin: 'http://gateway.test' }, { Origin: 'HTTP://Gateway.Test' }, { Origin: 'https://gateway.test' }, { Origin: 'null' }, { Origin: 'http://gateway.test:80' },
    { Host: 'gateway.test:8080', Origin: 'http://gateway.test:8080' }, { Host: 'gateway.test:8080', Origin: 'http://gateway.test' },
    { Origin: 'https://public.test', 'X-Forwarded-Host': 'public.test', 'X-Forwarded-Proto': 'https' }
  ), [101, 101, 101, 403, 403, 403, 101, 403, 403])
  t.strictSame(await statuses(t, { route, fastify: { trustProxy: true } },
    { Origin: 'https://public.test', 'X-Forwarded-Host': 'public.test', 'X-Forwarded-Proto': 'https' },
    { Origin: 'https://public.test', 'X-Forwarded-Host': 'public.test:443', 'X-Forwarded-Proto': 'https' },
    { Origin: 'https://public.test:8443', 'X-Forwarded-Host': 'public.test:8443', 'X-Forwarded-Proto': 'https' },
    { Origin: 'https://public.test', 'X-Forwarded-Host': 'public.test', 'X-Forwarded-Proto': 'wss' },
    { Origin: 'http://public.test', 'X-Forwarded-Host': 'public.test', 'X-Forwarded-Proto': 'wss' },
    { Origin: 'http://public.test', 'X-Forwarded-Host': 'public.test', 'X-Forwarded-Proto': 'https' },
    { Origin: 'http://gateway.test', 'X-Forwarded-Host': 'public.test', 'X-Forwarded-Proto': 'https' }
  ), [101, 101, 101, 101, 403, 403, 403])
})

t.test('a list at the gateway', async t => {
  t.strictSame(await statuses(t, { route: { websocket: { origins: ['https://*.example.com', 'http://localhost:5173'] } } },
    {}, { Origin: 'https://a.example.com' }, { Origin: 'http://localhost:5173' }, { Origin: 'https://example.com' }, { Origin: 'http://localhost:5174' }, { Origin: 'null' }
  ), [101, 101, 101, 403, 403, 403])
})

t.test('two Origin headers are none that is allowed', async t => {
  const backend = await echoBackend(t)
  const { port } = await startGateway(t, { targets: [backend.url], route: { websocket: { origins: ['https://a.test'] } } })
  const client = await Wire.connect(t, port)
  client.write(handshake({ lines: ['Origin: https://a.test', 'Origin: https://a.test'] }))
  t.match((await client.head()).start, / 403 /)
  t.match(await client.rest(), 'SLUICE_ORIGIN_FORBIDDEN')
})

// Issue 8, item 24

t.test('patterns match in linear time, and what is longer than any origin is refused', async t => {
  const long = `https://${'a'.repeat(600)}.example.com`
  t.strictSame(allowed('*', 'x', true, long), [])
  t.strictSame(allowed(['https://*.example.com'], 'x', true, long), [])
  t.strictSame(allowed('same-origin', long.slice(8), true, long), [])
  // With an expression that backtracks, these take longer than the test may.
  const hostile = `https://${'a.'.repeat(240)}!`
  const begin = performance.now()
  for (let count = 0; count < 1000; count++) allowed(['https://*.*.*.*.*.example.com', 'https://*'], 'x', true, hostile)
  t.ok(performance.now() - begin < 20_000)
  t.strictSame(allowed(['https://*.*.example.com'], 'x', true, 'https://a.example.com', 'https://a.b.example.com', 'https://a.b.c.example.com'), ['https://a.b.example.com', 'https://a.b.c.example.com'])
})
