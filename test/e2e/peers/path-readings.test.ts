import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { gatewayApp, listen } from '../../helpers/backends.js'
import { startCommand } from '../../helpers/command.js'
import { startNginxWith } from '../../helpers/nginx.js'
import { random, seeds, type Pick } from '../../helpers/random.js'
import { exchange, handshake } from '../../helpers/raw-client.js'

/*
 * Issue 8, item 27: what targets that are real servers make of paths that can be read in more than one way, and that
 * no spelling reaches what a hook of the gateway guards.
 *
 * FUZZ_SEED=<n> repeats one path.
 */

const PYTHON = '/usr/bin/python3'
const SERVER = fileURLToPath(new URL('fixtures/wsgi_paths.py', import.meta.url))

/**
 * Servers that respond with a word and the path that they see: 'secret' for /admin and what is below it, 'beside' for
 * what only begins like it, such as /administrator, and 'open' for the rest.
 */
const TARGETS: Record<string, (t: Test) => Promise<number>> = {
  nginx: async t => {
    const { port } = await startNginxWith(t, `
        location = /admin { return 200 "secret $uri"; }
        location /admin/ { return 200 "secret $uri"; }
        location /admin { return 200 "beside $uri"; }
        location / { return 200 "open $uri"; }
    `)
    return port
  },
  'Python wsgiref': async t => {
    const [, port] = await startCommand(t, PYTHON, [SERVER]).output(/^(\d+)\n/)
    return Number(port)
  }
}

/** What a gateway guards, and the words that must not be read through it. */
const GUARDS = [
  { name: 'a path and what is below it', urls: ['/admin', '/admin/*'], words: /secret/ },
  // That is what nginx's own `location /admin` means.
  { name: 'all that begins with a path', urls: ['/admin*'], words: /secret|beside/ }
]

const PIECES = [
  '/', '/', '//', 'admin', 'admin', 'admin', 'ADMIN', '%61dmin', 'adm%69n', '/admin', '/admin/', '%2f', '%2F', '%5c', '\\', ';a=b', ';', '%3b', '%00',
  '.', '..', '%2e', 'x', '%20', '%25', '?q', '%3f', '#', '%23', '%252f', '%40', '@', ':', '%c3%a9', '%ff'
]
const STARTS = ['/', '/', '/', '/admin', '/admin', '/%61dmin', '//', '\\', 'http://gateway.test', 'http://gateway.test/']

function randomPath (pick: Pick): string {
  return STARTS[pick(STARTS.length)]! + Array.from({ length: 1 + pick(5) }, () => PIECES[pick(PIECES.length)]).join('')
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
const MARKS = ['-', '_', '.', '~', '%20', '%2F']

/** A path of one to four segments, none of which consists of dots, however it is decoded. */
function ordinaryPath (pick: Pick): string {
  const letters = (): string => Array.from({ length: 1 + pick(6) }, () => LETTERS[pick(LETTERS.length)]).join('')
  const segment = (): string => letters() + Array.from({ length: pick(4) }, () => MARKS[pick(MARKS.length)]! + letters()).join('')
  return `/${Array.from({ length: 1 + pick(4) }, segment).join('/')}`
}

/** A request, after whose response the connection ends. */
function get (path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n\r\n`
}

/** A gateway that lets nobody through to `guarded`, and sends everything else to the same target. */
async function startGateway (t: Test, target: number, guarded: string[]): Promise<number> {
  const upstream = `http://127.0.0.1:${target}`
  const app = await gatewayApp(t)
  await app.register(async scope => {
    scope.addHook('onRequest', async (_request, reply) => reply.code(403).send())
    for (const url of guarded) scope.proxy(url, { upstream, websocket: true })
  })
  app.proxy('/*', { upstream, websocket: true })
  return Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port)
}

for (const [name, start] of Object.entries(TARGETS)) {
  for (const guard of GUARDS) {
    t.test(`${name}, where a hook guards ${guard.name}: no spelling passes it by`, async t => {
      const target = await start(t)
      const port = await startGateway(t, target, guard.urls)
      let open = 0
      let refused = 0
      for (const seed of seeds(400)) {
        const pick = random(seed)
        const path = randomPath(pick)
        const asHandshake = pick(3) === 0
        const { status, body } = await exchange(t, port, asHandshake ? handshake({ path }) : get(path))
        if (guard.words.test(body)) t.fail(`FUZZ_SEED=${seed}: ${JSON.stringify(path)} is read: ${JSON.stringify(body)}`)
        if (body.startsWith('open')) open++
        // Only spellings that the target takes for the guarded path tell that the gateway has looked at others.
        if (status === 400 && guard.words.test((await exchange(t, target, get(path))).body)) refused++
      }
      t.comment(`${open} read, ${refused} refused that the target would have read as the guarded path`)
      if (process.env['FUZZ_SEED'] === undefined) {
        t.ok(open > 20, `${open} paths go on`)
        t.ok(refused > 20, `${refused} paths would have passed the hook by`)
      }
    })
  }

  t.test(`${name}: ordinary paths are never refused`, async t => {
    const port = await startGateway(t, await start(t), ['/admin', '/admin/*'])
    let read = 0
    for (const seed of seeds(400)) {
      const path = ordinaryPath(random(seed))
      if (/admin/i.test(path)) continue
      const { status, body } = await exchange(t, port, get(path))
      // Neither server merges or drops any of it.
      if (status === 200 && body === `open ${decodeURIComponent(path)}`) read++
      else t.fail(`FUZZ_SEED=${seed}: ${path} is ${status}: ${body}`)
    }
    t.ok(read > 0, `${read} paths go on`)
  })
}

/** Spellings, and what nginx, wsgiref and `new URL()` of Node, decoded, make of them: the table in docs/safety.md. */
const READINGS: Array<[path: string, nginx: string | number, wsgiref: string, node: string]> = [
  ['/%61dmin/x', 'secret /admin/x', 'secret /admin/x', '/admin/x'],
  ['/admin%40x', 'beside /admin@x', 'beside /admin@x', '/admin@x'],
  ['/admin%2fx', 'secret /admin/x', 'secret /admin/x', '/admin/x'],
  ['/%2fadmin/x', 'secret /admin/x', 'secret //admin/x', '//admin/x'],
  ['/admin%5cx', 'beside /admin\\x', 'beside /admin\\x', '/admin\\x'],
  ['/admin\\x', 'beside /admin\\x', 'beside /admin\\x', '/admin/x'],
  ['/\\x/admin', 'open /\\x/admin', 'open /\\x/admin', '/admin'],
  ['//x/admin', 'open /x/admin', 'open /x/admin', '/admin'],
  ['//admin/x', 'secret /admin/x', 'secret /admin/x', '/x'],
  ['/admin//x', 'secret /admin/x', 'secret /admin//x', '/admin//x'],
  ['/admin;a=b/x', 'beside /admin;a=b/x', 'beside /admin;a=b/x', '/admin;a=b/x'],
  ['/admin%3ba=b/x', 'beside /admin;a=b/x', 'beside /admin;a=b/x', '/admin;a=b/x'],
  ['/admin%3fx', 'beside /admin?x', 'beside /admin?x', '/admin?x'],
  ['/admin%23x', 'beside /admin#x', 'beside /admin#x', '/admin#x'],
  ['/admin%00', 400, 'beside /admin\0', '/admin\0'],
  ['/ADMIN/x', 'open /ADMIN/x', 'open /ADMIN/x', '/ADMIN/x'],
  [`/admin/${'x'.repeat(101)}`, `secret /admin/${'x'.repeat(101)}`, `secret /admin/${'x'.repeat(101)}`, `/admin/${'x'.repeat(101)}`]
]

t.test('what servers see of each spelling, without the gateway', async t => {
  const nginx = await TARGETS['nginx']!(t)
  const wsgiref = await TARGETS['Python wsgiref']!(t)
  const node = await listen(t, createServer((request, response) => {
    response.setHeader('Connection', 'close').end(decodeURIComponent(new URL(request.url!, 'http://a').pathname))
  }))
  for (const [path, ...expected] of READINGS) {
    const seen = await Promise.all([nginx, wsgiref, node.port].map(port => exchange(t, port, get(path))))
    t.same(seen.map(({ status, body }) => status === 200 ? body : status), expected, path)
  }
})
