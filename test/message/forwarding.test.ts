import { connect } from 'node:net'
import { join } from 'node:path'
import type { FastifyListenOptions, FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import { requestId, type GatewayOptions, type ProxyRouteOptions } from '../../src/index.js'
import { startGateway, type GatewaySettings } from '../helpers/gateway.js'
import { handshake } from '../helpers/raw-client.js'
import { goodResponse, rawTarget } from '../helpers/raw-target.js'
import { temporaryFolder } from '../helpers/temporary-folder.js'
import { Wire, valuesOf, type Head } from '../helpers/wire.js'

interface Settings {
  trustProxy?: FastifyServerOptions['trustProxy']
  fastify?: FastifyServerOptions
  plugin?: GatewayOptions
  route?: Partial<ProxyRouteOptions>
  path?: string
  /** Header lines of the requests. */
  lines?: string[]
  host?: string
  listen?: FastifyListenOptions
  setup?: GatewaySettings['setup']
}

/** What a target sees of a request and of a handshake, and what the client sees of the responses. */
async function throughBoth (t: Test, { trustProxy = false, fastify, plugin = {}, route = {}, path = '/a', lines = [], host = 'gateway.test', listen = { port: 0, host: '127.0.0.1' }, setup = () => {} }: Settings = {}) {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], plugin, route, fastify: { trustProxy, ...fastify }, listen, setup })
  const requests: Head[] = []
  const answers: Head[] = []
  for (const leg of ['request', 'handshake']) {
    const client = new Wire(t, listen.path === undefined ? connect({ port: gateway.port, host: listen.host! }) : connect(listen.path))
    client.write(leg === 'handshake'
      ? handshake({ path, headers: { Host: '' }, lines: [`Host: ${host}`, ...lines] })
      : [`GET ${path} HTTP/1.1`, `Host: ${host}`, ...lines, '', ''].join('\r\n'))
    const wire = await target.next()
    const request = await wire.head()
    const own = ['Via: 1.0 target', 'Set-Cookie: a=1', 'Set-Cookie: b=2']
    wire.write(leg === 'handshake' ? goodResponse(request, own) : ['HTTP/1.1 204 No Content', ...own, 'Connection: close', '', ''].join('\r\n'))
    requests.push(request)
    answers.push(await client.head())
    client.socket.destroy()
  }
  return {
    gateway,
    target,
    requests,
    /** The values of a header that the target got; on both legs the same. */
    seen (name: string): string[] {
      const [onRequest, onHandshake] = requests.map(request => valuesOf(request, name))
      t.same(onHandshake, onRequest, `${name} is the same on both legs`)
      return onRequest!
    },
    answered: (name: string) => answers.map(answer => valuesOf(answer, name))
  }
}

t.test('TE: trailers goes on where trailers do', async t => {
  const { requests } = await throughBoth(t, { lines: ['TE: gzip, trailers'] })
  t.same(requests.map(request => valuesOf(request, 'te')), [['trailers'], []])
})

t.test('what Connection nominates goes, but not what matters', async t => {
  const lines = ['X-Gone: 1', 'Authorization: a', 'Cookie: b']
  const names = 'X-Gone, Authorization, Cookie, Host, X-Forwarded-For, X-Forwarded-Proto, Forwarded, Via, X-Request-Id'
  const { seen } = await throughBoth(t, { lines: [...lines, `Connection: ${names}`], plugin: { forwarded: true, via: true } })
  t.same(seen('x-gone'), [])
  for (const name of names.split(', ').slice(1, -1)) t.equal(seen(name).length, 1, name)
})

t.test('headers keep their order, case and repetitions, on both legs', async t => {
  const lines = ['X-b: 2', 'COOKIE: a=1', 'x-B: 1', 'Accept: a', 'cookie: b=2', 'X-B: 3', 'accept: b']
  const { requests, answered } = await throughBoth(t, { lines })
  for (const { headers } of requests) {
    t.same(headers.filter(([name]) => /^(?:x-b|cookie|accept)$/i.test(name)).map(header => header.join(': ')), lines)
  }
  t.same(answered('set-cookie'), [['a=1', 'b=2'], ['a=1', 'b=2']])
})

const SPOOFED = [
  'X-Forwarded-For: 6.6.6.6', 'x-forwarded-for: 6.6.6.7', 'X-Forwarded-Host: evil.test', 'X-Forwarded-Proto: https', 'X-Forwarded-Port: 666',
  'X-Forwarded-Prefix: /evil', 'X-Forwarded-User: evil', 'X_Forwarded_For: 6.6.6.8', 'Forwarded: for=6.6.6.9', 'X-Real-IP: 6.6.6.6', 'X-Request-Id: evil'
]

for (const trustProxy of [false, '10.0.0.0/8', () => false, 1 as never, []]) {
  t.test(`a client that is not trusted spoofs nothing: trustProxy ${typeof trustProxy === 'function' ? 'a function' : JSON.stringify(trustProxy)}`, async t => {
    const { seen, requests, gateway } = await throughBoth(t, { trustProxy, lines: SPOOFED, plugin: { forwarded: true } })
    t.same(seen('x-forwarded-for'), ['127.0.0.1'])
    t.same(seen('x-forwarded-host'), ['gateway.test'])
    t.same(seen('x-forwarded-proto'), ['http'])
    t.same(seen('x-forwarded-port'), [String(gateway.port)])
    t.same(seen('forwarded'), ['for=127.0.0.1;host=gateway.test;proto=http'])
    t.notMatch(JSON.stringify(requests), /6\.6\.6|evil|666/)
  })
}

t.test('a trusted peer is believed, and the others of its X-Forwarded-* go on', async t => {
  for (const trustProxy of [true, '127.0.0.1', ['loopback'], (address: string) => address === '127.0.0.1']) {
    const { seen } = await throughBoth(t, {
      trustProxy,
      lines: ['X-Forwarded-For: 192.0.2.1', 'X-Forwarded-Host: public.test', 'X-Forwarded-Proto: https', 'X-Forwarded-Port: 8443', 'X-Forwarded-Prefix: /app/', 'X-Forwarded-User: me', 'X-Real-IP: 192.0.2.1']
    })
    t.same(seen('x-forwarded-for'), ['192.0.2.1, 127.0.0.1'])
    t.same(seen('x-forwarded-host'), ['public.test'])
    t.same(seen('x-forwarded-proto'), ['https'])
    t.same(seen('x-forwarded-port'), ['8443'])
    t.same(seen('x-forwarded-prefix'), ['/app'])
    t.same(seen('x-forwarded-user'), ['me'])
    t.same(seen('x-real-ip'), ['192.0.2.1'])
    t.same(seen('host'), ['gateway.test'])
  }
})

t.test('also one that says nothing of addresses', async t => {
  const { seen } = await throughBoth(t, { trustProxy: 'loopback', lines: ['X-Forwarded-Proto: https', 'X-Forwarded-Port: 8443', 'X-Forwarded-User: me'] })
  t.same(seen('x-forwarded-for'), ['127.0.0.1'])
  t.same(seen('x-forwarded-proto'), ['https'])
  t.same(seen('x-forwarded-port'), ['8443'])
  t.same(seen('x-forwarded-user'), ['me'])
})

t.test('X-Forwarded-For: what is believed of a chain', async t => {
  const chain = async (trustProxy: Settings['trustProxy'], ...values: string[]) => {
    const { seen } = await throughBoth(t, { trustProxy, lines: values.map(value => `X-Forwarded-For: ${value}`) })
    return seen('x-forwarded-for').join(' and ')
  }
  const trusted = '127.0.0.1, 10.0.0.0/8, 2001:db8::/32'
  t.equal(await chain(trusted, '6.6.6.6, 192.0.2.1, 10.0.0.1'), '192.0.2.1, 10.0.0.1, 127.0.0.1', 'back to the first that is not trusted')
  t.equal(await chain(trusted, '6.6.6.6', '192.0.2.1,10.0.0.1 ', '10.0.0.2'), '192.0.2.1, 10.0.0.1, 10.0.0.2, 127.0.0.1', 'over several headers')
  t.equal(await chain(trusted, '2001:db8:1::1, ::ffff:10.0.0.1'), '2001:db8:1::1, 10.0.0.1, 127.0.0.1', 'IPv6')
  t.equal(await chain(trusted, '6.6.6.6, 192.0.2.1:4711'), '192.0.2.1:4711, 127.0.0.1', 'with a port')
  t.equal(await chain(trusted, '6.6.6.6, unknown, 10.0.0.1'), 'unknown, 10.0.0.1, 127.0.0.1')
  t.equal(await chain(true, '6.6.6.6, 192.0.2.1'), '6.6.6.6, 192.0.2.1, 127.0.0.1', 'everything')
  t.equal(await chain(true, ' , ,, 192.0.2.1,'), '192.0.2.1, 127.0.0.1', 'without what is empty')
  t.equal(await chain(true, '6.6.6.6, <b>"x"</b>, 192.0.2.1'), '192.0.2.1, 127.0.0.1', 'up to garbage')
  t.equal(await chain(true, 'a b'), '127.0.0.1')
  t.equal(await chain(true, ''), '127.0.0.1')
  t.equal(await chain((_address: string, hop: number) => hop < 2, '6.6.6.6, 192.0.2.1, 192.0.2.2, 192.0.2.3'), '192.0.2.2, 192.0.2.3, 127.0.0.1', 'by the number of hops')
})

t.test('X-Forwarded-Host, -Proto, -Port and -Prefix: lists and garbage', async t => {
  const claims = async (host: string, proto: string, port: string, prefix = '') => {
    const { seen, gateway } = await throughBoth(t, {
      trustProxy: true, lines: [`X-Forwarded-Host: ${host}`, `X-Forwarded-Proto: ${proto}`, `X-Forwarded-Port: ${port}`, `X-Forwarded-Prefix: ${prefix}`]
    })
    return ['host', 'proto', 'port', 'prefix'].map(name => seen(`x-forwarded-${name}`).join(' and ')).join(' ').replace(String(gateway.port), 'own').trim()
  }
  t.equal(await claims('a.test, b.test:81', 'http, https', '80, 444', '/a'), 'b.test:81 https 444 /a', 'the last, as Fastify takes it')
  t.equal(await claims('[2001:db8::1]:81', 'HTTPS', '444'), '[2001:db8::1]:81 HTTPS 444')
  t.equal(await claims('b.test', 'wss', ''), 'b.test wss 443')
  t.equal(await claims('b.test', '', ''), 'b.test http 80', 'the port that goes with it')
  t.equal(await claims('b.test:81', 'https', 'x'), 'b.test:81 https 81')
  t.equal(await claims('b.test:81', 'https', '0'), 'b.test:81 https 81')
  t.equal(await claims('', 'https', ''), 'gateway.test https 443')
  t.equal(await claims('a.test,', 'https,', '443,'), 'gateway.test http 80')
  t.equal(await claims('b.test/x?<y>', 'javascript', '80x', '//evil.test'), 'gateway.test http 80', 'garbage')
  t.equal(await claims('b"test', 'https;x', '-1', 'x'), 'gateway.test http 80')
  t.equal(await claims('b.test:123456', 'httpss', '123456', '/a, /b'), 'gateway.test http 80')
})

t.test('what splits lines never comes as far', async t => {
  const { gateway } = await throughBoth(t, { trustProxy: true })
  const client = await Wire.connect(t, gateway.port)
  client.write('GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: https\rX-Evil: 1\r\n\r\n')
  t.match((await client.head()).start, '400')
})

t.test('an empty Host', async t => {
  const { seen } = await throughBoth(t, { host: '', plugin: { forwarded: true } })
  t.same(seen('x-forwarded-host'), [])
  t.same(seen('forwarded'), ['for=127.0.0.1;proto=http'])
})

t.test('IPv6', async t => {
  const settings: Settings = { listen: { port: 0, host: '::1' }, host: '[::1]:8080', plugin: { forwarded: true } }
  const { seen } = await throughBoth(t, settings)
  t.same(seen('x-forwarded-for'), ['::1'])
  t.same(seen('x-forwarded-host'), ['[::1]:8080'])
  t.same(seen('forwarded'), ['for="[::1]";host="[::1]:8080";proto=http'])
  const behind = await throughBoth(t, { ...settings, trustProxy: '::1', lines: ['X-Forwarded-For: 2001:db8::1'] })
  t.same(behind.seen('x-forwarded-for'), ['2001:db8::1, ::1'])
  t.same(behind.seen('forwarded'), ['for="[2001:db8::1]";host="[::1]:8080";proto=http, for="[::1]"'])
})

t.test('a peer on a Unix socket has no address', async t => {
  const folder = await temporaryFolder(t)
  const through = (name: string, trustProxy: Settings['trustProxy'], lines: string[] = []) =>
    throughBoth(t, { listen: { path: join(folder, name) }, trustProxy, lines, plugin: { forwarded: true } })
  for (const trustProxy of [false, 'loopback', true]) {
    const { seen } = await through(`none-${trustProxy}`, trustProxy)
    t.same(seen('x-forwarded-for'), ['unknown'])
    t.same(seen('x-forwarded-port'), [])
    t.same(seen('forwarded'), ['for=unknown;host=gateway.test;proto=http'])
  }
  const lines = ['X-Forwarded-For: 192.0.2.1', 'X-Forwarded-Proto: https']
  t.same((await through('networks', 'loopback', lines)).seen('x-forwarded-for'), ['unknown'], 'and is in no network')
  for (const trustProxy of [true, (address?: string) => address === undefined]) {
    const { seen } = await through(typeof trustProxy, trustProxy, lines)
    t.same(seen('x-forwarded-for'), ['192.0.2.1'])
    t.same(seen('x-forwarded-port'), ['443'])
    t.same(seen('forwarded'), ['for=192.0.2.1;host=gateway.test;proto=https'])
  }
})

t.test('X-Forwarded-Prefix is what is taken off the path', async t => {
  const prefix = async (stripPrefix: string, settings: Settings = {}) => {
    const { seen } = await throughBoth(t, {
      path: '/api/v1/a', setup: app => { app.proxy('/api/v1/*', { upstream: 'main', websocket: true, stripPrefix }) }, ...settings
    })
    return seen('x-forwarded-prefix').join(' and ')
  }
  t.equal(await prefix('/api'), '/api')
  t.equal(await prefix('/api/v1/'), '/api/v1')
  t.equal(await prefix('/'), '')
  t.equal(await prefix('/api', { lines: ['X-Forwarded-Prefix: /evil'] }), '/api')
  t.equal(await prefix('/api', { lines: ['X-Forwarded-Prefix: /shop/'], trustProxy: true }), '/shop/api', 'behind that of a trusted peer')
})

t.test('Host names the target on request; X-Forwarded-Host still tells the original', async t => {
  const { seen, target, requests } = await throughBoth(t, { route: { host: 'target' }, lines: ['X-Own: 1'] })
  t.same(seen('host'), [`127.0.0.1:${target.port}`])
  t.same(seen('x-forwarded-host'), ['gateway.test'])
  t.same(requests.map(request => valuesOf(request, 'x-own')), [['1'], ['1']])
  t.same((await throughBoth(t, { route: { host: 'preserve' } })).seen('host'), ['gateway.test'])
  const { app } = await startGateway(t, { targets: [target.url] })
  t.throws(() => app.proxy('/x', { upstream: 'main', host: 'other' as never }), { code: 'SLUICE_OPTIONS_INVALID', message: /option 'host': must be one of preserve, target/ })
})

t.test('config.passthrough knows the same options', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, {
    targets: [target.url],
    setup: app => { app.get('/opted/in', { config: { passthrough: { upstream: 'main', stripPrefix: '/opted', host: 'target' } } }, () => '') }
  })
  const client = await Wire.connect(t, gateway.port)
  client.write(handshake({ path: '/opted/in' }))
  const request = await (await target.next()).head()
  t.equal(request.start, 'GET /in HTTP/1.1')
  t.same(valuesOf(request, 'host'), [`127.0.0.1:${target.port}`])
  t.same(valuesOf(request, 'x-forwarded-host'), ['gateway.test'])
  t.same(valuesOf(request, 'x-forwarded-prefix'), ['/opted'])
  t.same(valuesOf(request, 'x-request-id'), ['req-1'])
  client.reset()
})

t.test('Forwarded: of a trusted peer, continued as far as it is believed', async t => {
  const forwarded = async (...values: string[]) => {
    const { seen } = await throughBoth(t, {
      trustProxy: '127.0.0.1, 10.0.0.0/8, 2001:db8::/32', plugin: { forwarded: true }, lines: values.map(value => `Forwarded: ${value}`)
    })
    const own = 'for=127.0.0.1;host=gateway.test;proto=http'
    t.ok(seen('forwarded')[0]?.endsWith(own))
    return seen('forwarded').join(' and ').slice(0, -own.length).replace(/, $/, '')
  }
  t.equal(await forwarded('for=6.6.6.6, For=192.0.2.1;proto=https;by=_x,for=10.0.0.1'), 'For=192.0.2.1;proto=https;by=_x, for=10.0.0.1')
  t.equal(await forwarded('for=6.6.6.6', 'for=192.0.2.1', 'proto=https;for="10.0.0.1:80"'), 'for=192.0.2.1, proto=https;for="10.0.0.1:80"')
  t.equal(await forwarded('for=6.6.6.6, for=192.0.2.1, for="[2001:db8::1]:47"'), 'for=192.0.2.1, for="[2001:db8::1]:47"')
  t.equal(await forwarded('for=6.6.6.6, for="_gazonk"'), 'for="_gazonk"')
  t.equal(await forwarded('for=6.6.6.6, proto=https'), 'proto=https', 'who does not say for whom it was is not trusted')
  t.equal(await forwarded('for=6.6.6.6, host="a;for=10.0.0.1, for=10.0.0.2";for=192.0.2.1'), 'host="a;for=10.0.0.1, for=10.0.0.2";for=192.0.2.1', 'texts count as such')
  t.equal(await forwarded('for=6.6.6.6, host="a\\";for=10.0.0.1;\\"";for=192.0.2.1'), 'host="a\\";for=10.0.0.1;\\"";for=192.0.2.1')
  t.equal(await forwarded('for="6.6.6.6, for=192.0.2.1'), '', 'a quotation mark too many')
  t.equal(await forwarded('for="6.6.6.6', 'for=192.0.2.1;host="a:1"'), '')
  t.equal(await forwarded('for="'.padEnd(12_000, '\\"')), '')
  t.equal(await forwarded(''), '')
  t.equal(await forwarded('for=6.6.6.6, ;'), ';')
  t.equal(await forwarded('for=6.6.6.6,, for=192.0.2.1,,'), 'for=192.0.2.1')
})

t.test('Forwarded: where the peer has none, X-Forwarded-* tell; without the option there is none', async t => {
  const lines = ['X-Forwarded-For: 192.0.2.1:47, [2001:db8::1]:48, 2001:db8::2, x.test', 'X-Forwarded-Host: public.test:81', 'X-Forwarded-Proto: https']
  const { seen } = await throughBoth(t, { trustProxy: true, plugin: { forwarded: true }, lines })
  t.same(seen('forwarded'), ['for="192.0.2.1:47";host="public.test:81";proto=https, for="[2001:db8::1]:48", for="[2001:db8::2]", for=unknown, for=127.0.0.1'])
  t.same((await throughBoth(t, { trustProxy: true, lines: [...lines, 'Forwarded: for=192.0.2.1'] })).seen('forwarded'), [])
  const quoted = await throughBoth(t, { plugin: { forwarded: true }, host: 'a=b;for=x' })
  t.same(quoted.seen('forwarded'), ['for=127.0.0.1;host="a=b;for=x";proto=http'])
})

t.test('Via: added to requests and to answers', async t => {
  for (const [via, name] of [[true, 'sluice'], ['edge-1:8080', 'edge-1:8080']] as const) {
    const { seen, answered } = await throughBoth(t, { plugin: { via }, lines: ['Via: 1.1 client'] })
    t.same(seen('via'), ['1.1 client', `1.1 ${name}`])
    t.same(answered('via'), [['1.0 target', `1.1 ${name}`], ['1.0 target', `1.1 ${name}`]])
  }
  const { seen, answered } = await throughBoth(t, { lines: ['Via: 1.1 client'] })
  t.same(seen('via'), ['1.1 client'])
  t.same(answered('via'), [['1.0 target'], ['1.0 target']])
  await t.rejects(startGateway(t, { targets: ['http://a'], plugin: { via: 'a b' } }), { code: 'SLUICE_OPTIONS_INVALID', message: /option 'via'/ })
})

t.test('Via: a refusal of the target has it, too, and a request of HTTP/1.0 its version', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], plugin: { via: true } })
  const client = await Wire.connect(t, gateway.port)
  client.write(handshake())
  const first = await target.next()
  await first.head()
  first.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n')
  t.same(valuesOf(await client.head(), 'via'), ['1.1 sluice'])
  const old = await Wire.connect(t, gateway.port)
  old.write('GET / HTTP/1.0\r\n\r\n')
  const second = await (await target.next()).head()
  t.same(valuesOf(second, 'via'), ['1.0 sluice'])
  t.same(valuesOf(second, 'host'), [`127.0.0.1:${target.port}`])
  t.same(valuesOf(second, 'x-forwarded-host'), [])
  old.reset()
})

t.test('X-Request-Id is the id of the log', async t => {
  const lines = ['X-Request-Id: of-the-client']
  const { requests, gateway } = await throughBoth(t, { lines })
  const ids = requests.map(request => valuesOf(request, 'x-request-id'))
  t.same(ids, [['req-1'], ['req-2']], "Fastify's own, as long as the app makes no other")
  await gateway.ended()
  t.match(gateway.log.find(({ msg }) => msg === 'websocket session ended'), { reqId: 'req-2' })

  const helped = await throughBoth(t, { lines, trustProxy: 'loopback', fastify: { genReqId: requestId('loopback') } })
  t.same(helped.seen('x-request-id'), ['of-the-client'])
  await helped.gateway.ended()
  t.match(helped.gateway.log.find(({ msg }) => msg === 'websocket session ended'), { reqId: 'of-the-client' })

  const untrusted = await throughBoth(t, { lines, fastify: { genReqId: requestId() } })
  const made = untrusted.requests.flatMap(request => valuesOf(request, 'x-request-id'))
  t.equal(made.length, 2)
  for (const id of made) t.match(id, /^[\da-f]{8}-[\da-f]{4}-4/)
  t.not(made[0], made[1])
})

t.test('X-Request-Id: switched off, made of what no header may hold, or set by the route', async t => {
  const lines = ['X-Request-Id: of-the-client']
  t.same((await throughBoth(t, { lines, plugin: { requestId: false } })).seen('x-request-id'), ['of-the-client'])
  for (const id of ['a\r\nX-Evil: 1', 'ünï', '', 7 as never]) {
    const { seen } = await throughBoth(t, { fastify: { genReqId: () => id } })
    t.same(seen('x-request-id'), [], JSON.stringify(id))
  }
  t.same((await throughBoth(t, { lines, route: { headers: { request: { 'X-Request-Id': 'of-the-route' } } } })).seen('x-request-id'), ['of-the-route'])
})
