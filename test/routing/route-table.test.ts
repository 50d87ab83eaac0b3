import t from 'tap'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import sluice from '../../src/index.js'
import { recordingTarget } from '../corpus/recording-target.js'
import { exchange, handshake } from '../helpers/raw-client.js'
import type { Teardown } from '../helpers/wire.js'

// Issue 8, item 27: a guarded route cannot be passed by under another spelling.

async function guarded (t: Teardown, { options = {}, add = () => {} }: { options?: FastifyServerOptions, add?: (app: FastifyInstance) => void } = {}) {
  const target = await recordingTarget(t)
  const app = Fastify(options)
  t.teardown(() => app.close())
  await app.register(sluice)
  app.upstream('main', { targets: [target.url] })
  add(app)
  await app.register(async scope => {
    scope.addHook('onRequest', async (_request, reply) => reply.code(403).send('guarded'))
    scope.proxy('/admin', { upstream: 'main', websocket: true })
    scope.proxy('/admin/*', { upstream: 'main', websocket: true })
  })
  app.proxy('/*', { upstream: 'main', websocket: true })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, target, port: (app.server.address() as AddressInfo).port }
}

const status = async (t: Teardown, port: number, path: string, method = 'GET') =>
  (await exchange(t, port, `${method} ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)).status

t.test('no spelling of a guarded path reaches the target by the catch-all, as a request or a handshake', async t => {
  const { port, target } = await guarded(t)
  const paths = [
    '/admin%2Fx', '/admin%2fx', '/admin%5cx', '/admin%5Cx', '/admin\\x', '//admin/x', '///admin//x', '/%2fadmin/x', '/%2Fadmin%2Fx',
    // What Node's new URL() takes for a host, in front.
    '//x/admin', '/\\x/admin', '///x/admin', '//x:1/admin/y', '//x@y/admin', '/%2fx/admin/y', 'http://h//x/admin',
    '//admin%2fx', '/ADMIN/x', '/Admin', '/%41dmin/x', '/admin;a=b/x', '/admin;/x', '/admin%3bx/y', '/admin%3Bx%2fy', '/;a/admin/x',
    '/admin%00', '/admin%00.html', '/ad%00min/x', '/admin%3fx', '/admin%3Fx=1', '/admin%23x', '/\\admin/x', '/\\admin%5cx', '/%5Cadmin/x', '/AdMiN%2FX'
  ]
  for (const path of paths) {
    t.equal(await status(t, port, path), 400, path)
    t.equal(await status(t, port, path, 'HEAD'), 400, `HEAD ${path}`)
    t.equal((await exchange(t, port, handshake({ path }))).status, 400, `handshake ${path}`)
  }
  for (const path of ['/admin', '/admin/x', '/%61dmin/x', '/admin//x', '/admin/x%2Fy']) t.equal(await status(t, port, path), 403, path)
  t.equal(target.requests.length, 0, 'no target was asked')
})

t.test('what stays on its own route passes, however it is spelt', async t => {
  const { port, target } = await guarded(t, { add: app => app.proxy('/api/*', { upstream: 'main' }) })
  const paths = [
    '/api/v4/projects/group%2Frepo', '/@scope%2fpackage', '/%40scope%2fpackage', '/api/contents/a%20b.ipynb', '/a//b', '/a\\b', '/a;b=c/d', '/Users/Me',
    '/api/%E2%82%AC', '/x?to=/admin%2F;%5C', '/administrator', '/xadmin/y', '/api/admin/x', '/a%3Fb%23c', '/a%25b', '/a%252fadmin'
  ]
  for (const path of paths) t.equal(await status(t, port, path), 200, path)
  t.same(target.requests, paths.map(path => `GET ${path}`), 'as the client sent them')
})

t.test('a parameter that is too long for the router is not a way around its route', async t => {
  const { port } = await guarded(t, {
    add: app => app.register(async scope => {
      scope.addHook('onRequest', async (_request, reply) => reply.code(403).send())
      scope.proxy('/users/:id', { upstream: 'main' })
    })
  })
  t.equal(await status(t, port, `/users/${'a'.repeat(99)}`), 403)
  t.equal(await status(t, port, `/users/${'a'.repeat(101)}`), 400)
})

t.test('routes that are not proxied are guarded too, and those from before the plugin', async t => {
  const target = await recordingTarget(t)
  const app = Fastify()
  t.teardown(() => app.close())
  app.get('/own/*', async () => 'own')
  await app.register(sluice)
  app.proxy('/*', { upstream: target.url })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  t.equal(await status(t, port, '/own%2fx'), 400)
  t.equal(await status(t, port, '/OWN/x'), 400)
  t.equal(await status(t, port, '/own/x'), 200)
})

t.test('routes with upper case guard their lower case', async t => {
  const { port } = await guarded(t, {
    add: app => app.register(async scope => {
      scope.addHook('onRequest', async (_request, reply) => reply.code(403).send())
      scope.proxy('/Secret', { upstream: 'main' })
    })
  })
  t.equal(await status(t, port, '/secret'), 400)
  t.equal(await status(t, port, '/Secret'), 403)
})

t.test('routes that differ by constraint or by case alone are one place', async t => {
  const { port } = await guarded(t, {
    add: app => {
      app.proxy('/a/:x', { upstream: 'main' })
      app.proxy('/a/:y', { upstream: 'main', constraints: { host: 'b.test' } })
      app.proxy('/A/:z', { upstream: 'main' })
    }
  })
  for (const path of ['/a/B%20', '/A/B%20']) t.equal(await status(t, port, path), 200, path)
})

t.test('too many readings are refused in little time', async t => {
  const { port } = await guarded(t)
  t.equal(await status(t, port, '/' + '%2f%5c%3b%00;a//%40%3f'.repeat(600)), 400)
})

// Issue 8, item 24
t.test('the expression of a route is given no more of a path than the router gives it', async t => {
  const { port } = await guarded(t, {
    add: app => {
      app.get('/slow/:id(^[a-z]*[a-z]*[a-z]*[a-z]*[0-9]$)', async () => 'own')
      app.get('/:a-:b-:c-:d/slow', async () => 'own')
    }
  })
  const start = performance.now()
  t.equal(await status(t, port, `/slow/${'a'.repeat(12_000)}`), 400, 'a target may take it for a parameter')
  t.equal(await status(t, port, `/${'-'.repeat(12_000)}/slow`), 400)
  t.equal(await status(t, port, `/other/${'-'.repeat(12_000)}`), 200)
  t.ok(performance.now() - start < 5_000, `${performance.now() - start} ms`)
  t.equal(await status(t, port, '/slow/a%30'), 200, 'the router decodes it')
  t.equal(await status(t, port, '/slow%2Fa0'), 400)
  t.equal(await status(t, port, '/slow%2Fa'), 200, 'which the expression does not match')
})
