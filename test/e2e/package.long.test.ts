import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import t, { type Test } from 'tap'
import { echoBackend } from '../helpers/backends.js'
import { runCommand, startCommand } from '../helpers/command.js'
import { REPOSITORY, userEnvironment } from '../helpers/consumer.js'
import { listeningUrl } from '../helpers/sluice-command.js'
import { nextMessage, openSocket } from '../helpers/sockets.js'
import { temporaryFolder } from '../helpers/temporary-folder.js'

// What users get: the package as npm packs it (from the dist/ that `npm run build` made), installed into an
// empty folder, away from the repository.

t.setTimeout(240_000) // npm install asks the registry.

const { folder, packed } = await install(t)
const sluice = join(folder, 'node_modules/.bin/sluice')

t.test('holds what users need and nothing else', async t => {
  const needed = /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|SECURITY\.md|\.env\.example|sluice\.schema\.json|docs\/.+|deploy\/.+|dist\/(src|plugins|routes)\/.+\.(js|d\.ts)|dist\/(admin|demo)-page\/(index\.html|page\.(js|css)))$/
  t.same(packed.filter(path => !needed.test(path)), [], 'nothing else')
  const documents = ['.env.example', 'LICENSE', 'README.md']
  t.same(packed.filter(path => documents.includes(path)), documents)
})

t.test('the plugin and createGateway() carry WebSockets', async t => {
  await writeFile(join(folder, 'program.js'), `
    import Fastify from 'fastify'
    import sluice from 'sluice'
    import { createGateway } from 'sluice/service'

    const upstream = process.argv[2]
    const app = Fastify()
    await app.register(sluice)
    app.proxy('/*', { upstream, websocket: true })
    console.log('plugin at', await app.listen({ host: '127.0.0.1', port: 0 }))

    const routes = [{ url: '/*', upstream, websocket: true }]
    const gateway = await createGateway({ listen: { port: 0 }, routes }, { logger: false })
    console.log('gateway at', await gateway.listen())
  `)
  const backend = await echoBackend(t)
  const program = startCommand(t, process.execPath, ['program.js', backend.url], { cwd: folder, env: userEnvironment() })
  const [, plugin, gateway] = await program.output(/^plugin at (.+)\ngateway at (.+)\n/)
  for (const url of [plugin!, gateway!]) {
    const socket = await openSocket(url)
    socket.send('hello')
    t.equal(await nextMessage(socket), 'hello')
    socket.terminate()
  }
})

t.test('the command tells its version', async t => {
  const { version } = JSON.parse(await readFile(join(REPOSITORY, 'package.json'), 'utf8'))
  t.equal(await runCommand(t, sluice, ['--version'], { cwd: folder, env: userEnvironment() }), `${version}\n`)
})

t.test('the command alone serves the demo', async t => {
  const demo = startCommand(t, sluice, ['--port', '0'], { cwd: folder, env: userEnvironment() })
  const response = await fetch(await listeningUrl(demo))
  t.equal(response.status, 200)
  t.match(response.headers.get('content-type'), /^text\/html/)
  t.match(await response.text(), /<title>.*Sluice/)
})

t.test('its types hold for a strict TypeScript program', async t => {
  await writeFile(join(folder, 'program.ts'), `
    import Fastify from 'fastify'
    import '@fastify/websocket' // It declares a route option \`websocket\`, too.
    import sluice, { type ProxyRouteOptions } from 'sluice'
    import httpProxy from 'sluice/http-proxy'
    import { createGateway } from 'sluice/service'

    const app = Fastify()
    await app.register(sluice)
    app.upstream('chat', { targets: ['http://127.0.0.1:5173'] })
    const options: ProxyRouteOptions = { upstream: 'chat', websocket: { handshakeTimeout: 1000 } }
    app.proxy('/chat/*', options)
    app.register(httpProxy, { upstream: 'http://127.0.0.1:5173', prefix: '/shop', websocket: true, passthrough: { idleTimeout: 1000 } })
    const open: number = app.gateway.sessions.size

    const gateway = await createGateway({ routes: [{ url: '/*', upstream: 'http://127.0.0.1:5173' }] })
    const address: string = await gateway.listen()
    console.log(open, address)

    // @ts-expect-error there is no such option
    app.proxy('/other/*', { upstream: 'chat', websockets: true })
  `)
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({
    compilerOptions: {
      module: 'nodenext',
      strict: true,
      noEmit: true,
      // A TypeScript project has its @types; this one borrows the repository's.
      typeRoots: [join(REPOSITORY, 'node_modules/@types')],
      types: ['node'],
      paths: { ws: [join(REPOSITORY, 'node_modules/@types/ws')] }
    },
    files: ['program.ts']
  }))
  const tsc = join(REPOSITORY, 'node_modules/typescript/bin/tsc')
  t.equal(await runCommand(t, process.execPath, [tsc, '-p', folder], { cwd: folder, env: userEnvironment() }), '')
})

/** Packs the repository and installs the tarball into an empty folder. Fastify, its peer, comes along. */
async function install (t: Test): Promise<{ folder: string, packed: string[] }> {
  const folder = await temporaryFolder(t)
  const env = userEnvironment()
  await runCommand(t, 'npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: REPOSITORY, env })
  const [tarball] = await readdir(folder)
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  await runCommand(t, 'npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', `./${tarball}`], { cwd: folder, env })
  const root = join(folder, 'node_modules/sluice')
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  const packed = entries.filter(entry => entry.isFile()).map(entry => relative(root, join(entry.parentPath, entry.name)))
  return { folder, packed: packed.sort() }
}
