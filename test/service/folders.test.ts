import { join } from 'node:path'
import t from 'tap'
import { createGateway } from '../../src/service/gateway.js'
import { echoBackend } from '../helpers/backends.js'
import { nextMessage, openSocket } from '../helpers/sockets.js'

const NEVER = "throw new Error('this file must not be loaded')"

t.test('loads every kind of Fastify plugin, wrapped or not', async t => {
  const { url } = await echoBackend(t)
  const declare = (name: string) => `async app => { app.upstream('${name}', { targets: ['${url}'] }) }`
  const wrapped = "plugin[Symbol.for('skip-override')] = true"
  const folder = t.testdir({
    // Of no type, as a user's folder may be; this repository's own is of modules.
    'package.json': '{}',
    plugins: {
      'module.mjs': `export default ${declare('module')}`,
      'wrapped-module.mjs': `const plugin = ${declare('wrapped-module')}\n${wrapped}\nexport default plugin`,
      'common.cjs': `module.exports = ${declare('common')}`,
      'wrapped-common.cjs': `const plugin = ${declare('wrapped-common')}\n${wrapped}\nmodule.exports = plugin`,
      'transpiled.cjs': `Object.defineProperty(exports, '__esModule', { value: true })\nexports.default = ${declare('transpiled')}`,
      'plain.js': `module.exports = ${declare('plain')}`,
      subfolder: { 'index.mjs': `export default ${declare('subfolder')}` },
      'helper.mjs': 'export const answer = 42',
      'types.d.ts': NEVER,
      'module.test.mjs': NEVER,
      'README.md': NEVER,
      node_modules: { 'package.mjs': NEVER }
    }
  })
  const names = ['module', 'wrapped-module', 'common', 'wrapped-common', 'transpiled', 'plain', 'subfolder']
  const gateway = await createGateway({
    listen: { port: 0 },
    routes: names.map(name => ({ url: `/${name}`, upstream: name }))
  }, { logger: false, plugins: join(folder, 'plugins') })
  t.teardown(() => gateway.close())
  const address = await gateway.listen()
  for (const name of names) t.match(await (await fetch(`${address}/${name}`)).json(), { url: `/${name}` })
})

t.test("a subfolder's name is the prefix of its routes", async t => {
  const { url } = await echoBackend(t)
  const folder = t.testdir({
    routes: {
      'root.mjs': "export default async app => { app.get('/own', () => 'own') }",
      chat: {
        'rooms.mjs': `
          export default async app => {
            app.addHook('onRequest', async (request, reply) => { if (request.query.key !== 'right') return reply.code(401).send() })
            app.proxy('/*', { upstream: '${url}', stripPrefix: '/chat', websocket: true })
          }`
      }
    }
  })
  const gateway = await createGateway({ listen: { port: 0 } }, { logger: false, routes: join(folder, 'routes') })
  t.teardown(() => gateway.close())
  const address = await gateway.listen()
  t.equal(await (await fetch(`${address}/own`)).text(), 'own')
  t.equal((await fetch(`${address}/chat/room`)).status, 401, 'the hook is that of the file')
  t.match(await (await fetch(`${address}/chat/room?key=right`)).json(), { url: '/room?key=right' })
  const socket = await openSocket(`${address}/chat/room?key=right`)
  const echo = nextMessage(socket)
  socket.send('hello')
  t.equal(await echo, 'hello')
  socket.terminate()
})

t.test('a plain plugin guards all routes; one with a scope of its own guards its own', async t => {
  const { url } = await echoBackend(t)
  const guard = (key: string) => `app.addHook('onRequest', async (request, reply) => { if (request.query.${key} === undefined) return reply.code(401).send('${key}') })`
  const fastifyPlugin = import.meta.resolve('fastify-plugin')
  const folder = t.testdir({
    plugins: {
      'guard.mjs': `export default async app => { ${guard('all')} }`,
      'done.mjs': 'export default (app, options, done) => { app.decorate("shared", 42); done() }',
      'options.mjs': 'export const autoConfig = { answer: "configured" }\nexport default async (app, { answer }) => { app.get("/configured", () => answer) }',
      'prefixed.mjs': `export const autoPrefix = '/own'\nexport default async app => { ${guard('own')}\napp.get('/', () => 'own') }`,
      'configured.mjs': `export const autoConfig = { prefix: '/also' }\nexport default async app => { ${guard('also')}\napp.get('/', () => 'also') }`,
      'encapsulated.mjs': `import fastifyPlugin from '${fastifyPlugin}'\nexport default fastifyPlugin(async app => { ${guard('inner')}\napp.get('/inner', () => 'inner') }, { encapsulate: true })`,
      'scoped.mjs': `export default async app => { app.register(async scope => { ${guard('scoped')}\nscope.get('/scoped', () => String(scope.shared)) }) }`.replace("{ app.addHook('onRequest', async (request, reply) => { if (request.query.scoped", "{ scope.addHook('onRequest', async (request, reply) => { if (request.query.scoped"),
      'transpiled.cjs': "Object.defineProperty(exports, '__esModule', { value: true })\nexports.default = async app => { app.addHook('onSend', async (request, reply) => { reply.header('x-transpiled', 'yes') }) }",
      'object.mjs': "export default { method: 'GET', url: '/object', handler: () => 'object' }",
      'wrapped.mjs': `import fastifyPlugin from '${fastifyPlugin}'\nexport default fastifyPlugin(async app => { app.decorate('wrapped', true) }, { name: 'wrapped', dependencies: ['sluice'] })`
    },
    routes: { 'mine.mjs': `export default async app => { ${guard('mine')}\napp.get('/mine', () => String(app.shared) + app.wrapped) }` }
  })
  const gateway = await createGateway({ listen: { port: 0 }, routes: [{ url: '/proxied/*', upstream: url, websocket: true }] }, { logger: false, plugins: join(folder, 'plugins'), routes: join(folder, 'routes') })
  t.teardown(() => gateway.close())
  const address = await gateway.listen()
  const status = async (path: string): Promise<string> => {
    const response = await fetch(`${address}${path}`)
    return `${response.status} ${response.status === 401 || !path.startsWith('/proxied') ? await response.text() : response.headers.get('x-transpiled')}`
  }
  t.equal(await status('/proxied/a'), '401 all', 'a proxied route is guarded')
  t.equal(await status('/proxied/a?all'), '200 yes')
  await t.rejects(openSocket(`${address}/proxied/a`), /401/, 'handshakes are, too')
  const socket = await openSocket(`${address}/proxied/a?all`)
  socket.terminate()
  t.equal(await status('/nowhere'), '401 all', 'and what no route knows')
  t.equal(await status('/configured?all'), '200 configured')
  t.equal(await status('/own?all'), '401 own', 'the guard of a prefix holds for its routes')
  t.equal(await status('/own?all&own'), '200 own')
  t.equal(await status('/also?all&also'), '200 also')
  t.equal(await status('/inner?all&inner'), '200 inner')
  t.equal(await status('/scoped?all&scoped'), '200 42')
  t.equal(await status('/object?all'), '200 object')
  t.equal(await status('/mine?all'), '401 mine', 'a file of routes has a scope of its own')
  t.equal(await status('/mine?all&mine'), '200 42true')
})

t.test('a folder that is none is refused', async t => {
  const folder = t.testdir({ file: '' })
  await t.rejects(async () => createGateway({}, { logger: false, plugins: join(folder, 'none') }),
    { code: 'SLUICE_CONFIG_INVALID', message: `Folder of plugins '${join(folder, 'none')}': there is no such folder.` })
  await t.rejects(async () => createGateway({}, { logger: false, routes: join(folder, 'file') }),
    { code: 'SLUICE_CONFIG_INVALID', message: `Folder of routes '${join(folder, 'file')}': it is a file, not a folder.` })
})

t.test('what a plugin throws, rejects; an error of the gateway has its place in the file', async t => {
  const folder = t.testdir({
    fails: { 'a.mjs': "export default async () => { throw new Error('no database') }" },
    module: { 'a.mjs': "\nexport default async app => { app.upstream('app', { targets: ['http://a'] }) }" },
    'of common': { 'a.cjs': "module.exports = async app => { app.upstream('other', { targets: [] }) }" }
  })
  const load = (name: string) => createGateway({ upstreams: { app: { targets: ['http://a'] } } }, { logger: false, plugins: join(folder, name) })
  await t.rejects(load('fails'), { message: /^no database$/ })
  await t.rejects(load('module'), {
    code: 'SLUICE_UPSTREAM_DUPLICATE',
    message: `${join(folder, 'module/a.mjs')}:2:35: Upstream 'app' is declared already.`
  })
  await t.rejects(load('of common'), {
    code: 'SLUICE_OPTIONS_INVALID',
    message: `${join(folder, 'of common/a.cjs')}:1:37: Upstream 'other': option 'targets': must be an array`
  })
})

t.test('a file that cannot be compiled is named', async t => {
  const folder = t.testdir({
    syntax: { 'good.mjs': 'export default async () => {}', deep: { 'a.mjs': 'export default async app => { app.upstream(' } },
    common: { 'a.cjs': 'module.exports = async app => { app.upstream(' },
    link: { 'a.mjs': "import { nothing } from 'node:fs'\nexport default async () => nothing" }
  })
  const refused = (name: string, file: string, message: string) =>
    t.rejects(async () => createGateway({}, { logger: false, routes: join(folder, name) }),
      { code: 'SLUICE_CONFIG_INVALID', message: `${join(folder, name, file)}: ${message}. 'node ${join(folder, name, file)}' shows the line.` })
  await refused('syntax', 'deep/a.mjs', 'Unexpected end of input')
  await refused('common', 'a.cjs', 'Unexpected end of input')
  await refused('link', 'a.mjs', "The requested module 'node:fs' does not provide an export named 'nothing'")
})
