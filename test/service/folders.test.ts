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
