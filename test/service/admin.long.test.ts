import { once } from 'node:events'
import { rename, readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { stringify } from 'yaml'
import t from 'tap'
import { WebSocket } from 'ws'
import { echoBackend, httpBackend } from '../helpers/backends.js'
import { startBuilt } from '../helpers/built-service.js'
import { startCommand } from '../helpers/command.js'
import { CLI } from '../helpers/outputs.js'
import { freePort, refusingPort } from '../helpers/raw-target.js'
import { closed, openSocket, refusal } from '../helpers/sockets.js'
import { temporaryFolder } from '../helpers/temporary-folder.js'

/*
 * Issue 11: the built service, read as an operator would.
 */

t.test('sessions by every kind of ending', async t => {
  const { url: target } = await echoBackend(t, (socket, { url = '' }) => {
    if (url.startsWith('/target-closes')) socket.close(4321)
    if (url.startsWith('/target-lost')) socket.terminate()
    if (url.startsWith('/stalled')) socket.send(Buffer.alloc(64 * 1024 * 1024))
  })
  let healthy = true
  const checked = await echoBackend(t)
  const health = await httpBackend(t, (_request, response) => response.writeHead(healthy ? 200 : 500).end())
  const [one, two] = [await echoBackend(t), await echoBackend(t)]
  const route = (url: string, websocket: object | true = true, upstream = 'app') => ({ url, upstream, websocket })
  const removed = route('/removed', { onRemoved: 'close' })
  const config = {
    drainTimeout: 2_000,
    upstreams: {
      app: { targets: [target] },
      checked: { targets: [checked.url], health: { path: '/', port: health.port, interval: 50, fall: 1 } },
      pair: { targets: [one.url, two.url] }
    },
    routes: [
      ...['/client-closes', '/client-lost', '/target-closes', '/target-lost', '/violates', '/closed', '/drained'].map(url => route(url)),
      route('/too-big', { maxMessageSize: 10 }), route('/rate', { messageRate: { messages: 1 } }), route('/idle', { idleTimeout: 100 }),
      route('/lifetime', { maxLifetime: 100 }), route('/silent', { pingInterval: 50, pongTimeout: 50 }), route('/stalled', { stallTimeout: 100 }),
      route('/unhealthy', { onUnhealthy: 'close' }, 'checked'), route('/rebalanced', true, 'pair')
    ]
  }
  const { url, write, until, api, command, metrics, admin } = await startBuilt(t, { ...config, routes: [...config.routes, removed] }, {
    args: ['--routes', 'routes'],
    // Only code can say until when.
    files: { 'routes/expired.js': "export default async app => { app.proxy('/expired', { upstream: 'app', websocket: { until: () => new Date(Date.now() + 100) } }) }", 'package.json': '{ "type": "module" }' }
  })
  const open = (path: string, options = {}): Promise<WebSocket> => openSocket(url + path, [], options)
  const ends: Record<string, { by: string, reason: string, code: string }> = {
    '/client-closes': { by: 'client', reason: 'close', code: '1000' },
    '/client-lost': { by: 'client', reason: 'lost', code: '1006' },
    '/target-closes': { by: 'target', reason: 'close', code: '4xxx' },
    '/target-lost': { by: 'target', reason: 'lost', code: '1006' },
    '/violates': { by: 'client', reason: 'protocol-error', code: '1002' },
    '/too-big': { by: 'client', reason: 'too-big', code: '1009' },
    '/rate': { by: 'gateway', reason: 'rate', code: '1008' },
    '/idle': { by: 'gateway', reason: 'idle', code: '1001' },
    '/lifetime': { by: 'gateway', reason: 'lifetime', code: '1001' },
    '/expired': { by: 'gateway', reason: 'expired', code: '1008' },
    '/silent': { by: 'client', reason: 'ping-timeout', code: '1006' },
    '/stalled': { by: 'client', reason: 'stalled', code: '1006' },
    '/closed': { by: 'gateway', reason: 'application', code: '3xxx' },
    '/removed': { by: 'gateway', reason: 'removed', code: '1012' },
    '/unhealthy': { by: 'gateway', reason: 'unhealthy', code: '1012' },
    '/rebalanced': { by: 'gateway', reason: 'rebalance', code: '1012' }
  }
  const actions: Record<string, (socket: WebSocket) => unknown> = {
    '/client-closes': socket => socket.close(1000),
    '/client-lost': socket => socket.terminate(),
    '/violates': socket => (socket as unknown as { _socket: { write (data: Buffer): void } })._socket.write(Buffer.from([0x81, 0])),
    '/too-big': socket => socket.send('x'.repeat(100)),
    '/rate': socket => { for (let index = 0; index < 20; index++) socket.send('x') },
    '/stalled': socket => socket.pause(),
    '/closed': () => api('POST', '/api/sessions/close', { filter: { route: '/closed' }, code: 3999 }),
    '/removed': async () => {
      await write(config)
      return await api('POST', '/api/reload')
    },
    '/unhealthy': () => { healthy = false }
  }
  for (const [path, labels] of Object.entries(ends)) {
    if (path === '/rebalanced') {
      await api('PATCH', '/api/upstreams/pair/targets', { url: two.url, state: 'drain' })
      for (let index = 0; index < 4; index++) await open(path)
      await api('PATCH', '/api/upstreams/pair/targets', { url: two.url, state: 'ready' })
      t.match(await api('POST', '/api/upstreams/pair/rebalance', { spread: 0 }), { body: { moved: 2 } })
    } else {
      const socket = await open(path, path === '/silent' ? { autoPong: false } : {})
      socket.on('error', () => {})
      await actions[path]?.(socket)
    }
    const count = path === '/rebalanced' ? 2 : 1
    const found = await until(samples => samples.value('sluice_websocket_sessions_ended_total', { route: path, ...labels }) === count)
    t.equal(found.value('sluice_websocket_sessions_ended_total', { route: path }), count, `${path}: ${labels.reason}`)
    t.equal(found.value('sluice_websocket_session_duration_seconds_count', { route: path }), count)
    t.equal(found.value('sluice_websocket_sessions', { route: path }), path === '/rebalanced' ? 2 : 0)
  }
  t.ok((await metrics()).value('sluice_websocket_stalled_seconds_total', { route: '/stalled', direction: 'target_to_client' })! >= 0.1)
  t.equal((await metrics()).value('sluice_config_reloads_total', { result: 'success' }), 1)
  t.equal((await metrics()).value('sluice_target_up', { upstream: 'checked' }), 0)

  // One that does not respond to the Close keeps the service, and so its metrics, for a while.
  const polite = await open('/drained')
  const deaf = await open('/client-closes', { closeTimeout: 60_000 })
  deaf.pause()
  const over = closed(polite)
  command.kill('SIGTERM')
  t.equal((await over).code, 1012)
  const last = await until(samples => samples.value('sluice_websocket_sessions_ended_total', { route: '/drained' }) === 1)
  t.equal(last.value('sluice_websocket_sessions_ended_total', { route: '/drained', by: 'gateway', reason: 'drain', code: '1012' }), 1)
  t.equal((await fetch(`${admin}/readyz`)).status, 503)
  t.equal((await fetch(`${admin}/healthz`)).status, 200)
  deaf.terminate()
  t.equal(await command.ended, 0)
})

t.test('refusals, retries, ejections and reloads', async t => {
  const refusing = await httpBackend(t, (_request, response) => response.end())
  refusing.server.on('upgrade', (_request, socket) => { socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n') })
  const { url: target } = await echoBackend(t)
  const dead = `http://127.0.0.1:${await refusingPort()}`
  const config = {
    upstreams: { refusing: { targets: [refusing.url] }, pair: { targets: [dead, target], balance: 'first', passiveHealth: { failures: 2, ejectFor: 60_000 } }, dead: { targets: [dead], passiveHealth: false } },
    routes: [
      { url: '/refused', upstream: 'refusing', websocket: { protocols: ['chat'] } },
      { url: '/pair', upstream: 'pair', websocket: true },
      { url: '/dead', upstream: 'dead', websocket: true }
    ]
  }
  const { url, write, metrics, api, command } = await startBuilt(t, config)
  t.equal((await refusal(`${url}/refused`)).status, 403)
  t.equal((await refusal(`${url}/refused`, { headers: { 'sec-websocket-protocol': 'other' } })).status, 400)
  t.equal((await refusal(`${url}/dead`)).status, 502)
  t.equal((await fetch(`${url}/dead`)).status, 502)
  for (let index = 0; index < 4; index++) t.equal((await fetch(`${url}/pair`)).status, 200)
  const found = await metrics()
  t.equal(found.value('sluice_websocket_handshakes_total', { route: '/refused', outcome: 'refused', by: 'target' }), 1)
  t.equal(found.value('sluice_websocket_handshakes_total', { route: '/refused', outcome: 'error', by: 'client' }), 1)
  t.equal(found.value('sluice_websocket_handshakes_total', { route: '/dead', outcome: 'error', by: 'target' }), 1)
  t.equal(found.value('sluice_requests_total', { route: '/dead', status: '5xx' }), 2)
  t.equal(found.value('sluice_requests_total', { route: '/pair', status: '2xx' }), 4)
  t.equal(found.value('sluice_retries_total', { route: '/pair' }), 2)
  t.equal(found.value('sluice_target_failures_total', { upstream: 'pair', target: dead }), 2)
  t.equal(found.value('sluice_target_ejections_total', { upstream: 'pair', target: dead }), 1)
  t.equal(found.value('sluice_target_up', { upstream: 'pair', target: dead }), 0)
  t.equal(found.value('sluice_target_up', { upstream: 'pair', target }), 1)

  await write({ ...config, routes: [...config.routes, { url: '/more', upstream: 'pairs' }] })
  t.match(await api('POST', '/api/reload'), { status: 409, body: { ok: false, text: /did you mean 'pair'/ } })
  t.equal((await metrics()).value('sluice_config_last_reload_successful', {}), 0)
  await write({ ...config, routes: [...config.routes, { url: '/more', upstream: 'pair' }] })
  command.kill('SIGHUP')
  await command.output(/configuration reloaded/)
  const after = await metrics()
  t.equal(after.value('sluice_config_reloads_total', { result: 'failure' }), 1)
  t.equal(after.value('sluice_config_reloads_total', { result: 'success' }), 1)
  t.equal(after.value('sluice_config_last_reload_successful', {}), 1)
  t.equal(after.value('sluice_requests_total', { route: '/pair' }), 4, 'counts go on over a reload')
  t.match((await api('GET', '/api/events')).body.events, [{ kind: 'reload', level: 'info' }, { kind: 'reload', level: 'error' }, { kind: 'target' }, { kind: 'error' }])
  const { body } = await api('GET', '/api/config')
  t.match(body, { routes: { length: 4 } })
})

t.test('a reload moves the admin listener, changes its token and closes it', async t => {
  const { url: target } = await echoBackend(t)
  const routes = [{ url: '/*', upstream: target }]
  const { write, api, admin, command, url } = await startBuilt(t, { routes })
  const port = await freePort()
  await write({ routes, admin: { port } })
  t.match(await api('POST', '/api/reload'), { status: 200, body: { ok: true } }, 'the response comes from the one that is left')
  await command.output(new RegExp(`Admin listener at http://127.0.0.1:${port}`))
  const at = `http://127.0.0.1:${port}`
  t.equal((await fetch(`${at}/api`)).status, 200)
  // The one before is gone, once its last connections are closed.
  while ((await fetch(`${admin}/api`).catch(() => undefined)) !== undefined);

  const token = 'a-token-of-sixteen-characters'
  await write({ routes, admin: { port, token } })
  t.equal((await fetch(`${at}/api/reload`, { method: 'POST' })).status, 200)
  t.equal((await fetch(`${at}/api`)).status, 401)
  const authorized = { headers: { authorization: `Bearer ${token}` } }
  const config = await (await fetch(`${at}/api/config`, authorized)).text()
  t.match(config, '[redacted]')
  t.notMatch(config, token)

  const taken = await httpBackend(t, () => {})
  await write({ routes, admin: { port: taken.port } })
  t.match(await (await fetch(`${at}/api/reload`, { method: 'POST', ...authorized })).json(), { ok: false, text: /admin listener cannot be opened/ })
  t.equal((await fetch(`${at}/api`, authorized)).status, 200, 'nothing has changed')
  await write({ routes, admin: false })
  command.kill('SIGHUP')
  while ((await fetch(`${at}/api`, authorized).catch(() => undefined)) !== undefined);
  t.equal((await fetch(url)).status, 200)
})

t.test('--admin, and what is wrong with it', async t => {
  const { url: target } = await echoBackend(t)
  const folder = await temporaryFolder(t)
  const run = async (config: object, args: string[] = [], environment = {}): Promise<[unknown, string]> => {
    const file = join(folder, 'wrong.yaml')
    await writeFile(file, stringify({ listen: { port: 0 }, routes: [{ url: '/*', upstream: target }], ...config }))
    const command = startCommand(t, process.execPath, [CLI, 'check', '--config', file, ...args], { cwd: folder, env: { PATH: process.env.PATH, ...environment } })
    return [await command.ended, command.stderr]
  }
  t.match(await run({ admin: { host: '0.0.0.0' } }), [1, /wrong\.yaml:\d+:\d+: admin\.host: '0\.0\.0\.0' is not a loopback address.*token/])
  t.match(await run({ admin: { host: '0.0.0.0' } }, [], { ADMIN_TOKEN: 'a-token-of-sixteen-characters' }), [0, ''])
  const [code, text] = await run({ admin: true }, [], { ADMIN_TOKEN: 'too-short' })
  t.match([code, text], [1, /ADMIN_TOKEN must be at least 16 characters long/])
  t.notMatch(text, 'too-short')
  t.match(await run({ admin: { prot: 1 } }), [1, /did you mean 'port'/])
  t.match(await run({ admin: { socketPath: '/tmp/a.sock', port: 1 } }), [1, /admin\.port: there is socketPath already/])

  const command = startCommand(t, process.execPath, [CLI, target, '--port', '0', '--admin'], { cwd: folder, env: { PATH: process.env.PATH } })
  const ended = await Promise.race([command.ended, command.output(/Admin listener at http:\/\/127\.0\.0\.1:9901/)])
  // Another service of the machine may have the port; then it says so.
  if (typeof ended === 'number') t.match(command.stderr, /admin listener cannot be opened/)
})

t.test('drainDelay: not ready at once, and everything else as before until it is over', async t => {
  const { url: target } = await echoBackend(t)
  const { url, admin, command } = await startBuilt(t, { drainDelay: 1_500, routes: [{ url: '/*', upstream: target, websocket: true }] })
  const socket = await openSocket(url)
  command.kill('SIGTERM')
  await command.output(/stopping in 1500 ms/)
  t.equal((await fetch(`${admin}/readyz`)).status, 503)
  t.equal((await fetch(url)).status, 200)
  const late = await openSocket(url)
  t.same((await Promise.all([socket, late].map(closed))).map(({ code }) => code), [1012, 1012])
  t.equal(await command.ended, 0)
})

t.test('a second signal ends it at once', async t => {
  const { url: target } = await echoBackend(t)
  const { command } = await startBuilt(t, { drainDelay: 60_000, routes: [{ url: '/*', upstream: target }] })
  command.kill('SIGTERM')
  await command.output(/stopping in 60000 ms/)
  command.kill('SIGTERM')
  t.equal(await command.ended, 1)
})

t.test('an event stream that is cut by the stop is logged as what it is', async t => {
  const { url: target } = await httpBackend(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: 1\n\n')
  })
  const { url, command } = await startBuilt(t, { drainTimeout: 300, routes: [{ url: '/*', upstream: target }] })
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(socket, 'data')
  command.kill('SIGTERM')
  socket.resume()
  await once(socket, 'close')
  t.equal(await command.ended, 0)
  const lines = command.stdout.split('\n').filter(text => text.includes('"route":"/*"')).map(text => JSON.parse(text) as object)
  t.match(lines, [{ level: 30, by: 'gateway', reason: 'drain' }])
})

t.test('clients of the admin listener that stall do not hold up the stop', async t => {
  const { url: target } = await echoBackend(t)
  const { admin, command } = await startBuilt(t, { routes: [{ url: '/*', upstream: target }] })
  const page = new WebSocket(`${admin.replace('http', 'ws')}/api/feed`)
  await once(page, 'message')
  page.pause()
  const port = Number(new URL(admin).port)
  for (const text of ['', 'GET /api HT', 'POST /api/sessions/close HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{']) {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.write(text)
  }
  command.kill('SIGTERM')
  t.equal(await command.ended, 0)
  page.terminate()
})

t.test('SIGUSR2 opens the file of the log anew, and no line is lost; SIGUSR1 opens no debugger', async t => {
  const { url: target } = await echoBackend(t)
  const folder = await temporaryFolder(t)
  const logFile = join(folder, 'log')
  const port = await freePort()
  await writeFile(join(folder, 'sluice.yaml'), stringify({ listen: { port }, logFile, routes: [{ url: '/*', upstream: target }] }))
  const command = startCommand(t, process.execPath, [CLI, '--config', join(folder, 'sluice.yaml')], { cwd: folder, env: { PATH: process.env.PATH } })
  const url = `http://127.0.0.1:${port}`
  while ((await fetch(url).catch(() => undefined)) === undefined);
  const linesOf = async (file: string): Promise<string[]> => (await readFile(file, 'utf8').catch(() => '')).split('\n').filter(line => line.includes('"/counted/'))
  for (let index = 0; index < 50; index++) {
    if (index === 20) await rename(logFile, `${logFile}.1`)
    if (index === 30) command.kill('SIGUSR2')
    await (await fetch(`${url}/counted/${index}`)).text()
  }
  command.kill('SIGUSR1')
  while (!(await readFile(logFile, 'utf8').catch(() => '')).includes('SIGUSR1 received'));
  t.equal((await fetch(url)).status, 200)
  command.kill('SIGTERM')
  t.equal(await command.ended, 0)
  t.notMatch(command.stderr, 'Debugger')
  const [before, after] = [await linesOf(`${logFile}.1`), await linesOf(logFile)]
  t.same([...before, ...after].map(line => Number(/counted\/(\d+)/.exec(line)![1])), Array.from({ length: 50 }, (_, index) => index))
  t.ok(before.length >= 20 && after.length >= 1)
})
