import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build, type Format } from 'esbuild'
import t, { type Test } from 'tap'
import sluice from '../../../src/index.js'
import { echoBackend, type Backend } from '../../helpers/backends.js'
import { runCommand, startCommand } from '../../helpers/command.js'
import { consumer, manifest, REPOSITORY, userEnvironment } from '../../helpers/consumer.js'
import { nextMessage, openSocket } from '../../helpers/sockets.js'

/*
 * What those who embed the gateway do with the package: types and programs beside the oldest and the newest
 * Fastify that it allows, require(), and bundles.
 *
 * Issue 8, items 35 and 36
 */

t.setTimeout(240_000) // Each run of the TypeScript compiler takes seconds.

const oldest = await consumer(t, 'fastify-oldest')
const newest = await consumer(t, 'fastify')

t.test('the Fastify that the tests take for the oldest is the oldest one that the package allows', async t => {
  const { peerDependencies } = await manifest(oldest, 'sluice')
  const { version } = await manifest(oldest, 'fastify')
  t.equal(peerDependencies.fastify, `^${version}`)
  t.equal((sluice as unknown as { [key: symbol]: { fastify: string } })[Symbol.for('plugin-meta')]!.fastify, peerDependencies.fastify, 'and the plugin says so to Fastify')
})

const TYPES = `
  import Fastify, { type FastifyInstance, type FastifyPluginAsync } from 'fastify'
  import sluice, { errors, requestId, type GatewayOptions, type ProxyRouteOptions, type UpstreamOptions } from 'sluice'
  import { createGateway } from 'sluice/service'

  const plugin: FastifyPluginAsync<GatewayOptions> = sluice
  const app: FastifyInstance = Fastify({ genReqId: requestId('10.0.0.0/8') })
  const upstream: UpstreamOptions = { targets: ['http://127.0.0.1:5173'] }
  const route: ProxyRouteOptions = { upstream: 'chat', method: ['GET', 'POST'], websocket: { handshakeTimeout: 1000 } }

  export async function start (): Promise<string> {
    await app.register(plugin, { drainTimeout: 1000 })
    await app.register(sluice)
    app.upstream('chat', upstream).proxy('/chat/*', { ...route, onRequest: async request => { request.log.info(request.id) } })
    app.get('/', { config: { passthrough: { upstream: 'chat' } } }, request => request.routeOptions.config.passthrough?.stripPrefix)
    const open: number = app.gateway.sessions.size
    const code: string = new errors.UpstreamDuplicateError('chat').code

    const gateway = await createGateway({ routes: [{ url: '/*', upstream: 'http://127.0.0.1:5173' }] })
    gateway.app.proxy('/other/*', route)
    return await gateway.listen() + open + code
  }

  // @ts-expect-error there is no such option
  app.proxy('/chat/*', { upstream: 'chat', websockets: true })
`

/** What TypeScript says about programs of the project; the types of all that they import are checked, too. */
async function checkTypes (t: Test, folder: string, files: string[], options: Record<string, unknown>): Promise<string> {
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({
    compilerOptions: { target: 'es2023', strict: true, noEmit: true, skipLibCheck: false, types: ['node'], ...options },
    files
  }))
  const tsc = startCommand(t, process.execPath, [join(REPOSITORY, 'node_modules/typescript/bin/tsc'), '-p', '.'], { cwd: folder })
  await tsc.ended
  return tsc.stdout
}

for (const [name, folder] of [['oldest', oldest], ['newest', newest]] as const) {
  t.test(`beside the ${name} Fastify`, async t => {
    await writeFile(join(folder, 'program.ts'), TYPES)
    await writeFile(join(folder, 'program.cts'), TYPES)

    // test/e2e/package.long.test.ts has the newest with NodeNext.
    t.test('a program compiles in either way of resolving modules, without skipLibCheck', async t => {
      const isOldest = folder === oldest
      if (isOldest) t.equal(await checkTypes(t, folder, ['program.ts', 'program.cts'], { module: 'nodenext', exactOptionalPropertyTypes: true }), '', 'NodeNext')
      t.equal(await checkTypes(t, folder, ['program.ts'], { module: 'esnext', moduleResolution: 'bundler', exactOptionalPropertyTypes: !isOldest }), '', 'Bundler')
    })

    t.test('the plugin and createGateway() carry requests and WebSockets', async t => {
      await writeFile(join(folder, 'program.mjs'), `
        import Fastify from 'fastify'
        import sluice from 'sluice'
        import { createGateway } from 'sluice/service'

        const app = Fastify()
        app.get('/own', { config: { passthrough: { upstream: 'target' } } }, () => 'own')
        await app.register(sluice)
        app.upstream('target', { targets: [process.argv[2]] })
        app.proxy('/*', { upstream: 'target', websocket: true })
        console.log('serving at', await app.listen({ host: '127.0.0.1', port: 0 }))

        const gateway = await createGateway({ listen: { port: 0 }, routes: [{ url: '/:id', upstream: process.argv[2], websocket: true }] }, { logger: false })
        console.log('serving at', await gateway.listen())
      `)
      const backend = await echoBackend(t)
      const [plugin, gateway] = await start(t, folder, 'program.mjs', backend, 2)
      await carries(t, plugin!, '/chat')
      await carries(t, gateway!, '/chat')
      await carries(t, gateway!, `/${'x'.repeat(200)}`)

      t.equal(await (await fetch(`${plugin!}/own`)).text(), 'own')
      t.equal(await echo(`${plugin!}/own`), 'hello', 'config.passthrough')
    })
  })
}

t.test('require() gives what import gives, and Fastify takes it as it is', async t => {
  await writeFile(join(newest, 'program.cjs'), REQUIRING)
  const backend = await echoBackend(t)
  const [url] = await start(t, newest, 'program.cjs', backend)
  await carries(t, url!, '/chat')

  const names = await runCommand(t, process.execPath, ['-e', `
    const required = require('sluice')
    import('sluice').then(imported => {
      const differing = Object.keys(imported).filter(name => imported[name] !== required[name])
      console.log(typeof required.default, typeof required.requestId, differing.length)
    })
  `], { cwd: newest })
  t.equal(names, 'function function 0\n')
})

const REQUIRING = `
  const Fastify = require('fastify')
  const sluice = require('sluice')

  const app = Fastify()
  app.register(sluice, { drainTimeout: 1000 })
  app.after(() => app.proxy('/*', { upstream: process.argv[2], websocket: true }))
  app.listen({ host: '127.0.0.1', port: 0 }).then(url => console.log('serving at', url))
`
const IMPORTING = REQUIRING.replace("const Fastify = require('fastify')", "import Fastify from 'fastify'")
  .replace("const sluice = require('sluice')", "import sluice from 'sluice'")
const CREATING = `
  import { createGateway } from 'sluice/service'
  createGateway({}, { logger: false }).catch(error => console.log(error.code, error.message))
`

t.test('a bundle', async t => {
  /** Bundles a program, and gives the files that are in it. */
  const bundle = async (program: string, file: string, format: Format): Promise<string[]> => {
    await writeFile(join(newest, `${file}.source.js`), program)
    const { metafile } = await build({
      absWorkingDir: newest,
      entryPoints: [`${file}.source.js`],
      outfile: file,
      bundle: true,
      platform: 'node',
      format,
      // Without it an ES module has no require() for the CommonJS packages in it.
      ...format === 'esm' && { banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)" } },
      metafile: true,
      logLevel: 'silent'
    })
    return Object.entries(metafile.outputs[file]!.inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([path]) => path)
  }

  t.test('as CommonJS, of a program that requires the plugin, loads and serves, and holds nothing of the service', async t => {
    const files = await bundle(REQUIRING, 'requires.cjs', 'cjs')
    t.same(files.filter(path => path.includes('sluice/dist/src/service/')), [])
    const [url] = await start(t, newest, 'requires.cjs', await echoBackend(t))
    await carries(t, url!, '/chat')
  })

  t.test('as CommonJS, of a program that imports the plugin, loads and serves, and holds nothing of the service', async t => {
    const files = await bundle(IMPORTING, 'imports.cjs', 'cjs')
    const [url] = await start(t, newest, 'imports.cjs', await echoBackend(t))
    await carries(t, url!, '/chat')
    t.same(files.filter(path => path.includes('sluice/dist/src/service/')), [])
  })

  t.test('of createGateway() says why it does not work', async t => {
    await bundle(CREATING, 'creating.cjs', 'cjs')
    await bundle(CREATING, 'creating.mjs', 'esm')
    for (const file of ['creating.cjs', 'creating.mjs']) {
      t.match(await runCommand(t, process.execPath, [file], { cwd: newest }), /^SLUICE_CONFIG_INVALID createGateway\(\) loads files of the package sluice, so it does not work in a bundle/)
    }
  })
})

/** Starts a program that says where it serves, so many times. */
async function start (t: Test, folder: string, file: string, backend: Backend, times = 1): Promise<string[]> {
  const program = startCommand(t, process.execPath, [file, backend.url], { cwd: folder, env: userEnvironment() })
  const [, ...urls] = await program.output(new RegExp('serving at (http.+)\n'.repeat(times)))
  return urls
}

async function carries (t: Test, url: string, path: string): Promise<void> {
  t.match(await (await fetch(url + path)).json(), { method: 'GET', url: path })
  const json = { 'content-type': 'application/json' }
  t.match(await (await fetch(url + path, { method: 'POST', headers: json, body: '{ "a": 1 }' })).json(), { method: 'POST', body: '{ "a": 1 }' })
  t.match(await (await fetch(url + path, { method: 'DELETE', headers: json })).json(), { method: 'DELETE', body: '' }, 'no body, but its type')
  t.equal(await echo(url + path), 'hello')
}

async function echo (url: string): Promise<string> {
  const socket = await openSocket(url)
  socket.send('hello')
  const message = await nextMessage(socket)
  socket.terminate()
  return message
}
