import { request as httpsRequest } from 'node:https'
import { fastify } from 'fastify'
import t, { type Test } from 'tap'
import { checkedConfig } from '../../src/service/config.js'
import { locateInObject } from '../../src/service/places.js'
import { createGateway, type CreateGatewayOptions, type GatewayServer } from '../../src/service/gateway.js'
import { openGateway } from '../../src/service/running-gateway.js'
import type { GatewayConfig } from '../../src/options/index.js'
import { echoBackend, type Seen } from '../helpers/backends.js'
import { selfSigned } from '../helpers/certificates.js'
import { closed, nextMessage, openSocket, refusal } from '../helpers/sockets.js'

/** A gateway on a free port, without a log, closed when the test is over. */
async function gateway (t: Test, config: GatewayConfig, options: CreateGatewayOptions = {}): Promise<GatewayServer> {
  const created = await createGateway({ listen: { port: 0 }, ...config }, { logger: false, ...options })
  t.teardown(() => created.close())
  return created
}

t.test('serves what the configuration says', async t => {
  const { url } = await echoBackend(t)
  const created = await gateway(t, {
    upstreams: { app: { targets: [url] } },
    routes: [
      { url: '/api/*', upstream: 'app', stripPrefix: '/api' },
      { url: '/direct', upstream: url, method: ['GET', 'POST'] },
      { url: '/*', upstream: 'app', websocket: { closeTimeout: 1000 } }
    ]
  })
  const address = await created.listen()
  t.match(address, /^http:\/\/127\.0\.0\.1:\d+$/)

  t.match(await (await fetch(`${address}/api/users?x=1`)).json(), { url: '/users?x=1' })
  t.match(await (await fetch(`${address}/direct`, { method: 'POST', body: 'hi' })).json(), { url: '/direct', method: 'POST', body: 'hi' })
  t.equal((await refusal(`${address}/api/ws`)).status, 200, 'a route without websocket answers plainly')

  const socket = await openSocket(`${address}/ws`)
  const echo = nextMessage(socket)
  socket.send('hello')
  t.equal(await echo, 'hello')
  const end = closed(socket)
  await created.close()
  t.equal((await end).code, 1012)
})

t.test('upstreams and routes can be added from code', async t => {
  const { url } = await echoBackend(t)
  const created = await gateway(t, { routes: [{ url: '/config', upstream: 'code' }] })
  created.app.upstream('code', { targets: [url] })
  created.app.proxy('/code', { upstream: 'code' })
  const address = await created.listen()
  t.match(await (await fetch(`${address}/config`)).json(), { url: '/config' })
  t.match(await (await fetch(`${address}/code`)).json(), { url: '/code' })
})

t.test('can be used without awaiting it', async t => {
  const { url } = await echoBackend(t)
  const created = createGateway({ listen: { port: 0 }, routes: [{ url: '/*', upstream: url }] }, { logger: false })
  t.teardown(() => created.close())
  t.match(await (await fetch(`${await created.listen()}/now`)).json(), { url: '/now' })
  t.throws(() => createGateway({ routes: 3 } as never), { code: 'SLUICE_CONFIG_INVALID' })
  const broken = createGateway({ routes: [{ url: '/a', upstream: url, method: 'FETCH' }] }, { logger: false })
  await t.rejects(broken.listen(), { message: /FETCH method is not supported/ })
  await broken.close()
})

t.test('listens with TLS, for requests, for WebSockets and for what only looks like an upgrade', async t => {
  const { url } = await echoBackend(t)
  const { cert, key, certFile, keyFile } = await selfSigned(t, 'IP:127.0.0.1')
  for (const tls of [{ cert, key }, { cert: certFile, key: keyFile }]) {
    const created = await gateway(t, { listen: { port: 0, tls }, routes: [{ url: '/*', upstream: url, websocket: true }] })
    const address = await created.listen()
    t.match(address, /^https:/)
    const request = (headers: Record<string, string>, body = '') => new Promise<string>((resolve, reject) => {
      const sent = httpsRequest(address, { ca: cert, method: 'POST', headers, agent: false }, response => {
        let text = ''
        response.setEncoding('utf8').on('data', chunk => { text += chunk }).on('end', () => resolve(text))
      })
      sent.on('error', reject).end(body)
    })
    t.match(JSON.parse(await request({}, 'hi')), { body: 'hi', headers: { 'x-forwarded-proto': 'https' } })
    t.match(JSON.parse(await request({ connection: 'Upgrade', upgrade: 'h2c' }, 'hi')), { body: 'hi' })
    const socket = await openSocket(address, [], { ca: cert })
    const echo = nextMessage(socket)
    socket.send('hello')
    t.equal(await echo, 'hello')
    const end = closed(socket)
    await created.close()
    t.equal((await end).code, 1012)
  }
})

t.test('a certificate that cannot be used is named', async t => {
  const one = await selfSigned(t, 'IP:127.0.0.1')
  const other = await selfSigned(t, 'IP:127.0.0.1')
  const wrong = (tls: { cert: string, key: string }) => () => { createGateway({ listen: { tls } }, { logger: false }) }
  t.throws(wrong({ cert: '/nowhere/cert.pem', key: one.key }), { code: 'SLUICE_CONFIG_INVALID', message: /^listen\.tls: .*'\/nowhere\/cert.pem' cannot be read/ })
  t.throws(wrong({ cert: one.cert, key: other.key }), { code: 'SLUICE_CONFIG_INVALID', message: /^listen\.tls: / })
})

t.test('takes a logger', async t => {
  const lines: string[] = []
  const { log } = fastify({ logger: { stream: { write: (line: string) => { lines.push(line) } } } })
  const created = await gateway(t, {}, { logger: log })
  const address = await created.listen()
  t.match(lines.join(''), `Server listening at ${address}`)
})

t.test('believes forwarding headers only from a trusted proxy', async t => {
  const { url } = await echoBackend(t)
  const seen = async (trustProxy: GatewayConfig['trustProxy']) => {
    const created = await gateway(t, { ...trustProxy !== undefined && { trustProxy }, routes: [{ url: '/', upstream: url }] })
    const response = await fetch(await created.listen(), { headers: { 'x-forwarded-for': '192.0.2.1' } })
    return (await response.json() as { headers: Record<string, string> }).headers['x-forwarded-for']
  }
  t.equal(await seen(undefined), '127.0.0.1')
  t.equal(await seen('10.0.0.0/8'), '127.0.0.1')
  t.equal(await seen(['loopback']), '192.0.2.1, 127.0.0.1')
  await t.rejects(async () => createGateway({ trustProxy: 'nearby' }, { logger: false }), { code: 'SLUICE_CONFIG_INVALID', message: 'trustProxy: invalid IP address: nearby' })
})

t.test('the id of a request is that of a trusted peer, or made; it is logged and passed on', async t => {
  const { url } = await echoBackend(t)
  const seen = async (config: GatewayConfig) => {
    const lines: string[] = []
    const { log } = fastify({ logger: { stream: { write: (line: string) => { lines.push(line) } } } })
    const created = await gateway(t, { ...config, routes: [{ url: '/', upstream: url }] }, { logger: log })
    const response = await fetch(await created.listen(), { headers: { 'x-request-id': 'of-the-client' } })
    const id = (await response.json() as Seen).headers['x-request-id'] as string
    await created.close()
    return { id, logged: lines.map(line => (JSON.parse(line) as { reqId?: string }).reqId).filter(reqId => reqId !== undefined) }
  }
  t.match(await seen({ trustProxy: 'loopback' }), { id: 'of-the-client', logged: ['of-the-client'] })
  const { id, logged } = await seen({ trustProxy: ['10.0.0.0/8'] })
  t.match(id, /^[\da-f]{8}-/)
  t.same(logged, [id])
  t.match((await seen({})).id, /^[\da-f]{8}-/)
  t.match(await seen({ requestId: false }), { id: 'of-the-client', logged: ['req-1'] })
})

t.test('Forwarded, Via and Host are matters of the configuration', async t => {
  const { url } = await echoBackend(t)
  const routes = [{ url: '/a', upstream: url }, { url: '/b', upstream: url, host: 'target' as const }]
  const address = await (await gateway(t, { forwarded: true, via: 'edge-1', routes })).listen()
  const { host } = new URL(address)
  const answer = await fetch(`${address}/a`)
  t.match((await answer.json() as Seen).headers, { forwarded: `for=127.0.0.1;host="${host}";proto=http`, via: '1.1 edge-1', host })
  t.equal(answer.headers.get('via'), '1.1 edge-1')
  t.match((await (await fetch(`${address}/b`)).json() as Seen).headers, { host: new URL(url).host, 'x-forwarded-host': host })
})

t.test('a wrong configuration is refused, with the path of each problem', async t => {
  await t.rejects(async () => createGateway({ upstreams: { app: { targets: ['a'] } }, routes: [{ url: 'x', upstream: 'app' }] }), {
    code: 'SLUICE_CONFIG_INVALID',
    message: /^routes\.0\.url: must begin with \/, or be .*\nupstreams\.app\.targets\.0: 'a' is not a valid target: .*$/
  })
  await t.rejects(async () => createGateway('sluice.yaml' as unknown as GatewayConfig), { message: /^configuration: must be an object, got "sluice.yaml"/ })
})

t.test("what only the router or the plugin can see has the route's place, too", async t => {
  const upstream = 'http://a'
  const refused = (route: NonNullable<GatewayConfig['routes']>[number]) =>
    createGateway({ routes: [{ url: '/first', upstream }, route] }, { logger: false })
  await t.rejects(refused({ url: '/a', upstream, method: 'FETCH' }), { code: 'SLUICE_CONFIG_INVALID', message: /^routes\.1: FETCH method is not supported/ })
  await t.rejects(refused({ url: '/*/a', upstream }), { message: /^routes\.1: Wildcard must be the last character/ })
  await t.rejects(refused({ url: '/a/*', upstream, stripPrefix: '/b' }), { message: /^routes\.1: .*stripPrefix '\/b'/ })
})

t.test('a route whose upstream nobody declared is found when listening', async t => {
  const created = await gateway(t, { routes: [{ url: '/a', upstream: 'http://a' }, { url: '/b', upstream: 'nobody' }] })
  await t.rejects(created.listen(), {
    code: 'SLUICE_CONFIG_INVALID',
    message: "routes.1.upstream: Route '/b' names upstream 'nobody', which is not declared."
  })
  const byCode = await gateway(t, {})
  byCode.app.proxy('/c', { upstream: 'nobody' })
  await t.rejects(byCode.listen(), { code: 'SLUICE_UPSTREAM_UNKNOWN' })
})

t.test('the demo is a matter of the service', async t => {
  const address = await (await gateway(t, {})).listen()
  t.equal((await fetch(address)).status, 404)

  const demo = openGateway({ config: checkedConfig({ listen: { port: 0 } }, locateInObject, false), locate: locateInObject, demo: true, logger: false })
  t.teardown(() => demo.close())
  t.match(await (await fetch(await demo.listen())).text(), '<title>Sluice demo</title>')
})

t.test('a port that is taken rejects listen()', async t => {
  const { port } = await echoBackend(t)
  const created = await gateway(t, { listen: { port } })
  await t.rejects(created.listen(), { code: 'EADDRINUSE' })
})

t.test('workers are for the command', async t => {
  t.throws(() => createGateway({ workers: 2 }), { code: 'SLUICE_CONFIG_INVALID', message: /^workers: the command 'sluice' starts workers/ })
})
