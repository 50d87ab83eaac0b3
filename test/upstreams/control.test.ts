import t from 'tap'
import { gatewayApp, echoBackend, httpBackend } from '../helpers/backends.js'
import { closed, nextMessage, openSocket, refusal } from '../helpers/sockets.js'

t.test('targets are shown and changed while the app runs', async t => {
  const [one, two] = [await echoBackend(t), await echoBackend(t)]
  const app = await gatewayApp(t)
  app.upstream('app', { targets: [one.url] })
  app.proxy('/*', { upstream: 'app', host: 'target', websocket: { onRemoved: 'close' } })
  app.proxy('/kept', { upstream: 'app', websocket: { onRemoved: 'keep' } })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const upstream = app.gateway.upstreams.get('app')!
  t.equal(upstream.name, 'app')
  t.same(app.gateway.upstreams.list().map(({ name }) => name), ['app'])
  t.equal(app.gateway.upstreams.get('other'), undefined)

  const [closing, kept] = [await openSocket(`${url}/chat`), await openSocket(`${url}/kept`)]
  t.match(upstream.targets, [{ url: one.url, weight: 1, labels: {}, state: 'ready', health: 'healthy', since: Date, reason: undefined, failures: 0, requests: 0, sessions: 2, handshakes: 0 }])
  const ended = closed(closing)
  upstream.setTargets([{ url: two.url, weight: 2 }])
  t.same(await ended, { code: 1012, reason: '' })
  const echo = nextMessage(kept)
  kept.send('hello')
  t.equal(await echo, 'hello')
  t.match(upstream.targets, [{ url: two.url, weight: 2, sessions: 0 }])
  t.match(await (await fetch(`${url}/a`)).json(), { headers: { host: `127.0.0.1:${two.port}` } })
  // Named again, it still has what it had.
  upstream.setTargets([one.url, two.url])
  t.match(upstream.targets, [{ url: one.url, sessions: 1 }, { url: two.url, sessions: 0 }])
  kept.terminate()
})

t.test('a target that is drained gets nothing new and keeps what it has; with none left clients get 503', async t => {
  const [one, two] = [await echoBackend(t), await echoBackend(t)]
  const app = await gatewayApp(t)
  app.upstream('app', { targets: [one.url, two.url] })
  app.proxy('/*', { upstream: 'app', host: 'target', websocket: true })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const upstream = app.gateway.upstreams.get('app')!
  const socket = await openSocket(url)
  const [first] = upstream.targets.filter(({ sessions }) => sessions === 1)
  upstream.setTarget(first!.url, { state: 'drain' })
  for (let count = 0; count < 4; count++) t.notMatch(await (await fetch(url)).json(), { headers: { host: new URL(first!.url).host } })
  const echo = nextMessage(socket)
  socket.send('hello')
  t.equal(await echo, 'hello')
  for (const target of upstream.targets) upstream.setTarget(target.url, { state: 'drain' })
  const response = await fetch(url)
  t.equal(response.status, 503)
  t.match(await response.json(), { code: 'SLUICE_NO_TARGET' })
  t.match(await refusal(url), { status: 503, body: /SLUICE_NO_TARGET/ })
  upstream.setTarget(first!.url, { state: 'ready', weight: 5 })
  t.equal((await fetch(url)).status, 200)
  socket.terminate()
})

t.test('what is wrong changes nothing', async t => {
  const { url } = await httpBackend(t, (_request, response) => response.end())
  const app = await gatewayApp(t)
  app.upstream('app', { targets: [url] })
  await app.ready()
  const upstream = app.gateway.upstreams.get('app')!
  t.throws(() => upstream.setTargets([]), { code: 'SLUICE_OPTIONS_INVALID' })
  t.throws(() => upstream.setTargets([url, 'ftp://a']), { code: 'SLUICE_TARGET_MALFORMED' })
  t.throws(() => upstream.setTarget(url, { weight: 0 }), { code: 'SLUICE_OPTIONS_INVALID' })
  t.throws(() => upstream.setTarget('http://127.0.0.1:1', { weight: 1 }), { code: 'SLUICE_OPTIONS_INVALID', message: /it has no target 'http:\/\/127\.0\.0\.1:1'/ })
  t.match(upstream.targets, [{ url, weight: 1, state: 'ready' }])
})

t.test('upstreams of one gateway at the same origin share its connections', async t => {
  let connections = 0
  const backend = await httpBackend(t, (_request, response) => response.end('ok'))
  backend.server.on('connection', () => { connections++ })
  const app = await gatewayApp(t)
  app.upstream('one', { targets: [backend.url] })
  app.upstream('two', { targets: [backend.url] })
  app.proxy('/one', { upstream: 'one' })
  app.proxy('/two', { upstream: 'two' })
  app.proxy('/url', { upstream: backend.url })
  for (const path of ['/one', '/two', '/url']) t.equal((await app.inject(path)).body, 'ok')
  t.equal(connections, 1)
})
