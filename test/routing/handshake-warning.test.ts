import t from 'tap'
import { startGateway, type RunningGateway } from '../helpers/gateway.js'
import { echoBackend } from '../helpers/backends.js'
import { refusal } from '../helpers/sockets.js'

// Issue 12: a handshake on a route that had not opted in became a plain request, and nobody was told why.

const warnings = ({ log }: RunningGateway): unknown[] => log.filter(({ msg }) => /WebSocket handshake came/.test(String(msg)))
  .map(({ level, route, msg }) => ({ level, route, msg }))

t.test('a handshake on a route without websocket is served as before, and told once a route', async t => {
  const { url } = await echoBackend(t)
  const gateway = await startGateway(t, {
    targets: [url],
    route: { websocket: true },
    setup: app => {
      app.proxy(['/a/*', '/b/*'], { upstream: 'main' })
      app.proxy('/off/*', { upstream: 'main', websocket: false })
      app.get('/own', () => 'own')
    }
  })
  const base = `http://127.0.0.1:${gateway.port}`
  for (const path of ['/a/1', '/a/2', '/b/1', '/off/1', '/own']) t.equal((await refusal(`${base}${path}`)).status, 200, path)
  t.strictSame(warnings(gateway), ['/a/*', '/b/*'].map(route => ({
    level: 40,
    route,
    msg: `A WebSocket handshake came to route '${route}', which does not pass WebSockets, so the target gets it as plain HTTP. Set 'websocket: true' on the route to pass them, or 'websocket: false' to be told no more. Logged once for each route.`
  })))
})

t.test('what is not a handshake is not told', async t => {
  const { url } = await echoBackend(t)
  const gateway = await startGateway(t, { targets: [url], setup: app => app.proxy('/a/*', { upstream: 'main' }) })
  const base = `http://127.0.0.1:${gateway.port}/a/`
  const { app } = gateway
  for (const headers of [{}, { upgrade: 'websocket' }, { upgrade: 'h2c', 'sec-websocket-key': 'x', 'sec-websocket-version': '13' }] as Array<Record<string, string>>) {
    t.equal((await app.inject({ url: '/a/', headers })).statusCode, 200)
  }
  t.equal((await app.inject({ method: 'POST', url: '/a/', headers: { upgrade: 'websocket', 'sec-websocket-key': 'x', 'sec-websocket-version': '13' } })).statusCode, 200)
  t.strictSame(warnings(gateway), [])
  t.equal((await refusal(base)).status, 200)
  t.equal(warnings(gateway).length, 1)
})
