import { request } from 'node:http'
import { once } from 'node:events'
import t from 'tap'
import { echoBackend, httpBackend } from '../helpers/backends.js'
import { address, startService } from '../helpers/programs.js'
import { closed, nextMessage, openSocket } from '../helpers/sockets.js'

t.test('sluice URL sends everything to one target, WebSockets included', async t => {
  const { url } = await echoBackend(t)
  const program = startService(t, [url, '--port', '0'], { cwd: t.testdir() })
  const gateway = await address(program)
  t.match(gateway, 'http://127.0.0.1:')
  t.match(await (await fetch(`${gateway}/a?b=c`)).json(), { url: '/a?b=c' })
  const socket = await openSocket(`${gateway}/ws`)
  const echo = nextMessage(socket)
  socket.send('hello')
  t.equal(await echo, 'hello')

  const end = closed(socket)
  program.kill('SIGTERM')
  t.equal((await end).code, 1012)
  t.equal(await program.ended, 0)
  t.equal(program.stderr, '')
  t.match(program.stdout, 'SIGTERM received, stopping')
  for (const line of program.stdout.trim().split('\n')) t.type(JSON.parse(line), 'object', 'without a terminal the log is JSON')
})

t.test('with nothing configured it serves the demo, through the gateway', async t => {
  const program = startService(t, ['--port', '0'], { cwd: t.testdir() })
  const gateway = await address(program)
  t.match(program.stdout, /this is the demo/)
  t.match(await (await fetch(gateway)).text(), '<title>Sluice demo</title>')
  const socket = await openSocket(`${gateway}/echo`)
  const echo = nextMessage(socket)
  socket.send('hello')
  t.equal(await echo, 'hello')
  const end = closed(socket)
  program.kill('SIGINT')
  t.equal((await end).code, 1012)
  t.equal(await program.ended, 0)
})

t.test('the environment and .env configure it', async t => {
  const { url } = await echoBackend(t)
  const program = startService(t, [], { cwd: t.testdir({ '.env': `UPSTREAM_URL=${url}\nLOG_LEVEL=silent\nPORT=1\n` }), env: { PORT: '0', LOG_LEVEL: 'debug' } })
  t.match(await (await fetch(`${await address(program)}/x`)).json(), { url: '/x' })
  program.kill('SIGTERM')
  t.equal(await program.ended, 0)
})

t.test('a configuration file and folders work together', async t => {
  const { url } = await echoBackend(t)
  const cwd = t.testdir({
    'sluice.yaml': 'listen: { port: 0 }\nlogLevel: info\nroutes:\n  - { url: /file, upstream: mine }\n',
    plugins: { 'mine.mjs': `export default async app => { app.upstream('mine', { targets: ['${url}'] }) }` },
    routes: { api: { 'index.mjs': "export default async app => { app.proxy('/*', { upstream: 'mine', websocket: true }) }" } }
  })
  const program = startService(t, ['--plugins', 'plugins', '--routes', 'routes'], { cwd, env: { CONFIG_FILE: 'sluice.yaml' } })
  const gateway = await address(program)
  t.match(await (await fetch(`${gateway}/file`)).json(), { url: '/file' })
  t.match(await (await fetch(`${gateway}/api/x`)).json(), { url: '/api/x' })
  const socket = await openSocket(`${gateway}/api/ws`)
  socket.terminate()
  program.kill('SIGTERM')
  t.equal(await program.ended, 0)
})

t.test('folders alone count as configured: no demo', async t => {
  const cwd = t.testdir({ routes: { 'own.mjs': "export default async app => { app.get('/own', () => 'own') }" } })
  const program = startService(t, ['--routes', 'routes', '--port', '0'], { cwd })
  const gateway = await address(program)
  t.equal(await (await fetch(`${gateway}/own`)).text(), 'own')
  t.equal((await fetch(gateway)).status, 404)
  t.notMatch(program.stdout, 'demo')
})

t.test('an upstream that no plugin declares is told with its place', async t => {
  const cwd = t.testdir({ 'sluice.yaml': 'routes:\n  - url: /*\n    upstream: mine\n', plugins: {} })
  const program = startService(t, ['--config', 'sluice.yaml', '--plugins', 'plugins', '--port', '0', '--log-level', 'silent'], { cwd })
  t.equal(await program.ended, 1)
  t.match(program.stderr, /^sluice: sluice\.yaml:3:15: routes\.0\.upstream: Route '\/\*' names upstream 'mine', which is not declared.*\n$/)
})

t.test('warns when there are no routes', async t => {
  const program = startService(t, ['--config', 'sluice.yaml'], { cwd: t.testdir({ 'sluice.yaml': 'listen: { port: 0 }\n' }) })
  t.match(await program.output(/There are no routes, so every request gets 404/), { index: Number })
})

t.test('says in one line why it cannot listen', async t => {
  const { port } = await echoBackend(t)
  const taken = startService(t, ['--port', String(port)], { cwd: t.testdir() })
  t.equal(await taken.ended, 1)
  t.match(taken.stderr, new RegExp(`^sluice: Cannot listen: port ${port} of 127\\.0\\.0\\.1 is taken\\. .*\\n$`))

  // 192.0.2.0/24 is for documentation: no machine has it.
  const foreign = startService(t, ['http://127.0.0.1:9', '--host', '192.0.2.1', '--port', '0'], { cwd: t.testdir() })
  t.equal(await foreign.ended, 1)
  t.match(foreign.stderr, /^sluice: Cannot listen: 192\.0\.2\.1 is not an address of this machine\. .*\n$/)
})

t.test('errors go to the standard error, with their exit code and no stack', async t => {
  const program = startService(t, ['--prot', '80'], { cwd: t.testdir() })
  t.equal(await program.ended, 2)
  t.equal(program.stdout, '')
  t.equal(program.stderr, "sluice: There is no option '--prot'. Did you mean '--port'?\nsluice: Try 'sluice --help'.\n")
})

t.test("a defect in a user's plugin comes with its stack", async t => {
  const cwd = t.testdir({ plugins: { 'broken.mjs': 'export default async app => { app.nothing.at.all() }' } })
  const program = startService(t, ['--plugins', 'plugins', '--port', '0'], { cwd })
  t.equal(await program.ended, 1)
  t.match(program.stderr, /TypeError: .*\n[^]*broken\.mjs:1/)
})

t.test('a request under way is answered before it stops, and a second signal ends it at once', async t => {
  let answer: () => void = () => {}
  const { url, server } = await httpBackend(t, (_request, response) => { answer = () => response.end('late') })
  for (const patient of [true, false]) {
    const program = startService(t, [url, '--port', '0'], { cwd: t.testdir() })
    const gateway = await address(program)
    const arrived = once(server, 'request')
    const sent = request(gateway)
    const outcome = once(sent, 'response').then(([response]) => {
      response.resume()
      return response.statusCode as number
    }, (error: Error) => error)
    sent.end()
    await arrived
    program.kill('SIGTERM')
    await program.output(/SIGTERM received, stopping/)
    if (patient) {
      answer()
      t.equal(await outcome, 200)
      t.equal(await program.ended, 0)
    } else {
      program.kill('SIGTERM')
      t.equal(await program.ended, 1)
      t.type(await outcome, Error)
    }
  }
})
