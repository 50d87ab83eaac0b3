import { join } from 'node:path'
import t from 'tap'
import { listenersOf } from '../../src/service/listeners.js'
import { resolveSettings } from '../../src/service/settings.js'

const everythingTo = (url: string) => ({
  upstreams: { default: { targets: [url] } },
  routes: [{ url: '/*', upstream: 'default', websocket: true }]
})
const FILE = 'listen: { host: 10.0.0.1, port: 1 }\nlogLevel: warn\nupstreams: { file: { targets: [http://file] } }\nroutes: [{ url: /, upstream: file }]\n'

t.test('with nothing configured it is the demo', async t => {
  const settings = await resolveSettings({}, {}, t.testdir())
  t.match(settings, { config: { listen: {} }, demo: true })
  t.match(await resolveSettings({ port: 0, host: '::1', logLevel: 'error' }, {}, t.testdir()),
    { config: { listen: { host: '::1', port: 0 }, logLevel: 'error' }, demo: true, notes: [] }, 'the address does not count')
})

// Issue 8, item 30.
t.test('the demo listens on loopback only, whatever the host', async t => {
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'example.test']) {
    const { config, notes } = await resolveSettings({}, { HOST: host }, t.testdir())
    t.equal(listenersOf(config)[0]!.host, undefined, host)
    t.match(notes, [`The demo listens on 127.0.0.1 only, not on ${host}.`])
    t.equal(listenersOf((await resolveSettings({ url: 'http://a' }, { HOST: host }, t.testdir())).config)[0]!.host, host)
  }
  for (const host of ['127.0.0.1', '127.1.2.3', 'localhost', '::1']) t.match(await resolveSettings({ host }, {}, t.testdir()), { config: { listen: { host } }, notes: [] })
})

t.test('an empty variable that was to say what is served is an error, and never the demo', async t => {
  for (const name of ['UPSTREAM_URL', 'CONFIG_FILE']) {
    await t.rejects(resolveSettings({}, { [name]: '' }, t.testdir()),
      { code: 'SLUICE_CONFIG_INVALID', message: `Environment variable ${name} is empty. Give it a value, or unset it.` })
    t.match(await resolveSettings({ url: 'http://a' }, { [name]: '' }, t.testdir()), { config: everythingTo('http://a') }, 'the command line wins')
  }
})

t.test('sluice.yaml of the working directory is used when nothing else is named', async t => {
  const directory = t.testdir({ 'sluice.yaml': FILE })
  t.match(await resolveSettings({}, {}, directory), { config: { logLevel: 'warn', listen: { host: '10.0.0.1' } }, demo: false, notes: [/sluice\.yaml/] })
  t.match(await resolveSettings({ plugins: 'p' }, {}, directory), { config: { routes: undefined }, notes: [] })
  t.match(await resolveSettings({}, { UPSTREAM_URL: 'http://b' }, directory), { config: everythingTo('http://b'), notes: [] })
  await t.rejects(resolveSettings({}, {}, t.testdir({ 'sluice.yaml': 'x: 1' })), { code: 'SLUICE_CONFIG_INVALID' })
})

t.test('a URL gets everything', async t => {
  const directory = t.testdir({ 'sluice.yaml': FILE })
  t.match(await resolveSettings({ url: 'http://a' }, {}, directory), { config: everythingTo('http://a'), demo: false })
  t.match(await resolveSettings({}, { UPSTREAM_URL: 'http://b' }, directory), { config: everythingTo('http://b'), demo: false })
  t.match(await resolveSettings({ url: 'http://a' }, { UPSTREAM_URL: 'http://b' }, directory), { config: everythingTo('http://a') })
  t.match(await resolveSettings({ url: 'http://a' }, { CONFIG_FILE: 'none.yaml' }, directory), { config: everythingTo('http://a') },
    'the command line wins over the environment, which is not even looked at')
})

t.test('the command line wins over the environment, that over the file', async t => {
  const directory = t.testdir({ 'sluice.yaml': FILE })
  const file = { upstreams: { file: { targets: ['http://file'] } }, routes: [{ url: '/', upstream: 'file' }] }
  t.match(await resolveSettings({ config: 'sluice.yaml' }, { UPSTREAM_URL: 'http://b' }, directory),
    { config: { ...file, listen: { host: '10.0.0.1', port: 1 }, logLevel: 'warn' }, demo: false })
  t.match(await resolveSettings({}, { CONFIG_FILE: 'sluice.yaml', PORT: 2, LOG_LEVEL: 'debug' }, directory),
    { config: { ...file, listen: { host: '10.0.0.1', port: 2 }, logLevel: 'debug' } })
  t.match(await resolveSettings({ port: 3, host: '::1' }, { CONFIG_FILE: 'sluice.yaml', PORT: 2, HOST: '::2', LOG_LEVEL: 'debug' }, directory),
    { config: { ...file, listen: { host: '::1', port: 3 }, logLevel: 'debug' } })
})

t.test('what else the file has under listen stays', async t => {
  const listen = { host: '::1', port: 1, tls: { cert: 'a', key: 'b' }, headersTimeout: 5000 }
  const directory = t.testdir({ 'sluice.yaml': `listen: ${JSON.stringify(listen)}\n` })
  t.same((await resolveSettings({ config: 'sluice.yaml', port: 2 }, {}, directory)).config.listen, { ...listen, port: 2 })
})

t.test('folders count as configured, and from the working directory', async t => {
  const directory = t.testdir()
  t.match(await resolveSettings({ plugins: 'p', routes: '/r' }, {}, directory),
    { demo: false, plugins: join(directory, 'p'), routes: '/r', config: { listen: {} } })
})

t.test('with folders, a file may name upstreams that it does not declare', async t => {
  const directory = t.testdir({ 'sluice.yaml': 'routes: [{ url: /, upstream: elsewhere }]\n' })
  await t.rejects(resolveSettings({ config: 'sluice.yaml' }, {}, directory),
    { message: "sluice.yaml:1:30: routes.0.upstream: upstream 'elsewhere' is not declared" })
  t.match(await resolveSettings({ config: 'sluice.yaml', plugins: 'p' }, {}, directory), { config: { routes: [{ upstream: 'elsewhere' }] } })
})

t.test('says which source is wrong', async t => {
  const directory = t.testdir()
  await t.rejects(resolveSettings({ url: '127.0.0.1:80' }, {}, directory),
    { code: 'SLUICE_USAGE', message: /^'127\.0\.0\.1:80' is not a valid target: .*http:\/\/127\.0\.0\.1:80/ })
  await t.rejects(resolveSettings({}, { UPSTREAM_URL: 'ws://a' }, directory),
    { code: 'SLUICE_CONFIG_INVALID', message: /^Environment variable UPSTREAM_URL: 'ws:\/\/a' is not a valid target: / })
  await t.rejects(resolveSettings({}, { UPSTREAM_URL: 'http://a', CONFIG_FILE: 'x.yaml' }, directory),
    { code: 'SLUICE_CONFIG_INVALID', message: "Both UPSTREAM_URL ('http://a') and CONFIG_FILE ('x.yaml') are set. Unset one of them." })
  await t.rejects(resolveSettings({ config: 'x.yaml' }, {}, directory), { message: 'x.yaml: cannot be read: there is no such file' })
})

t.test('ADMIN opens the admin listener, or leaves it closed', async t => {
  const admin = async (file: string, environment: Parameters<typeof resolveSettings>[1], args: Parameters<typeof resolveSettings>[0] = {}) =>
    (await resolveSettings(args, environment, t.testdir({ 'sluice.yaml': `${file}${FILE}` }))).config.admin
  t.equal(await admin('', {}), undefined)
  t.equal(await admin('', { ADMIN: 'true' }), true)
  t.equal(await admin('', { ADMIN: 'false' }), false)
  t.equal(await admin('', { ADMIN: 'false' }, { admin: true }), true, 'the command line wins')
  t.equal(await admin('admin: false\n', { ADMIN: 'true' }), true, 'the environment wins over the file')
  t.equal(await admin('admin: { port: 1 }\n', { ADMIN: 'false' }), false)
  t.strictSame(await admin('admin: { port: 1 }\n', { ADMIN: 'true' }), { port: 1 })
  t.strictSame(await admin('', { ADMIN: 'true', ADMIN_TOKEN: 'a-token-of-sixteen-characters' }), { token: 'a-token-of-sixteen-characters' })
})
