import t from 'tap'
import { ask } from '../helpers/ask.js'
import { echoBackend, httpBackend } from '../helpers/backends.js'
import { startGateway } from '../helpers/gateway.js'
import { openSocket } from '../helpers/sockets.js'

t.test('the path of a target stands before that of each request, on both legs', async t => {
  const paths: string[] = []
  const backend = await echoBackend(t, (_socket, { url }) => { paths.push(url!) })
  const gateway = await startGateway(t, { targets: [`${backend.url}/base/`], setup: app => { app.proxy('/app/*', { upstream: 'main', stripPrefix: '/app', websocket: true }) } })
  const address = `http://127.0.0.1:${gateway.port}`
  for (const [asked, got] of [['/app/x?y=1', '/base/x?y=1'], ['/app/', '/base/'], ['/app/a%2Fb', '/base/a%2Fb']]) {
    t.match(JSON.parse((await ask(address + asked)).body.toString()), { url: got })
  }
  await openSocket(`${address}/app/socket?x`)
  t.same(paths, ['/base/socket?x'])
  t.match(gateway.app.gateway.upstreams.get('main')!.targets, [{ url: `${backend.url}/base` }])
})

t.test('two paths of one origin are two targets', async t => {
  const backend = await echoBackend(t)
  const gateway = await startGateway(t, { targets: [`${backend.url}/blue`, { url: `${backend.url}/green`, weight: 1 }] })
  const paths = []
  for (let count = 0; count < 4; count++) paths.push(JSON.parse((await ask(`http://127.0.0.1:${gateway.port}/x`)).body.toString()).url)
  t.same(paths.sort(), ['/blue/x', '/blue/x', '/green/x', '/green/x'])
  const control = gateway.app.gateway.upstreams.get('main')!
  control.setTarget(`${backend.url}/green`, { state: 'drain' })
  t.same(control.targets.map(({ state }) => state), ['ready', 'drain'])
})

t.test('health checks ask below it', async t => {
  const paths: string[] = []
  let asked!: () => void
  const first = new Promise<void>(resolve => { asked = resolve })
  const backend = await httpBackend(t, (request, response) => {
    paths.push(request.url!)
    response.end()
    asked()
  })
  await startGateway(t, { targets: [`${backend.url}/base`], upstream: { health: { path: '/health?x' } } })
  await first
  t.equal(paths[0], '/base/health?x')
})

t.test('rewritten locations and cookies are those of the client', async t => {
  const { url } = await httpBackend(t, (request, response) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://x')
    response.setHeader('x-path', pathname)
    response.writeHead(302, { location: searchParams.get('to')!, 'set-cookie': `a=1; Path=${searchParams.get('path')!}` }).end()
  })
  const gateway = await startGateway(t, {
    targets: [`${url}/base`],
    route: { rewriteLocation: true, rewriteCookies: true },
    setup: app => { app.proxy('/app/*', { upstream: 'main', stripPrefix: '/app', rewriteLocation: true, rewriteCookies: true }) }
  })
  const told = async (prefix: string, to: string, path = '/') => {
    const { headers } = await ask(`http://127.0.0.1:${gateway.port}${prefix}/x?${new URLSearchParams({ to, path })}`)
    return [headers.location, headers['set-cookie']![0]!.split('Path=')[1]]
  }
  t.same(await told('/app', '/base/y?z', '/base'), ['/app/y?z', '/app'])
  t.same(await told('/app', `${url}/base/y`, '/base/y'), ['/app/y', '/app/y'])
  t.same(await told('/app', '/base?z', '/'), ['/app/?z', '/app'])
  t.same(await told('/app', '/elsewhere', '/elsewhere'), ['/elsewhere', '/elsewhere'])
  t.same(await told('/app', '/basement', '/base/'), ['/basement', '/app'])
  for (const to of ['/base//evil.example/x', '/base/\\evil.example', '/base/\t/evil.example', `${url}/base//evil.example`]) {
    t.match((await told('', to))[0], /^\/\.[/\\]/, 'what is left begins no other host')
  }
  t.same(await told('', '/base/y', '/base'), ['/y', '/'])
  t.same(await told('', `${url}/base`, '/base/x'), ['/', '/x'])
  t.same(await told('', `${url}/other`, '/'), [`${url}/other`, '/'])
})
