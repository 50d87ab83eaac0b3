import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { locateIn } from '../../src/service/places.js'
import { parseConfig, readConfigFile } from '../../src/service/config-file.js'

/** The lines of the error that a file's text gives, the hints in brackets left out. */
function complaint (text: string): string[] {
  try {
    parseConfig(text, 'sluice.yaml', false)
  } catch (error) {
    if ((error as { code?: string }).code !== 'SLUICE_CONFIG_INVALID') throw error
    return (error as Error).message.split('\n').map(line => line.replace(/ \([^)]*\.\)$/, ''))
  }
  return []
}

const RIGHT = `listen: { host: 127.0.0.1, port: 8080 }
upstreams:
  app:
    targets: [http://127.0.0.1:5173]        # a string, or an object
routes:
  - url: /api/*
    upstream: app
    stripPrefix: /api
  - url: /*
    upstream: app
    websocket: true
`

t.test('reads a configuration', async t => {
  const { config, places } = parseConfig(RIGHT, 'sluice.yaml', false)
  const locate = locateIn(places)
  t.strictSame(config, {
    listen: { host: '127.0.0.1', port: 8080 },
    upstreams: { app: { targets: ['http://127.0.0.1:5173'] } },
    routes: [{ url: '/api/*', upstream: 'app', stripPrefix: '/api' }, { url: '/*', upstream: 'app', websocket: true }]
  })
  t.equal(locate(['routes', '1', 'upstream']), 'sluice.yaml:10:15: routes.1.upstream')
  t.equal(locate(['routes', '1']), 'sluice.yaml:9:5: routes.1')
  t.equal(locate([]), 'sluice.yaml:1:1')
})

t.test('lists every problem with its place, in the order of the file', async t => {
  t.strictSame(complaint(`listen:
  port: high
  hsot: 127.0.0.1
upstreams:
  app:
    targets:
      - 127.0.0.1:5173
      - { url: http://a, weight: 0 }
  api:
    conectTimeout: 5
routes:
  - url: api
    upstream: app
  - url: /x
  - url: /*
    upstream: apq
    websocket: { handshakeTimeout: soon }
`), [
    'sluice.yaml:2:9: listen.port: must be an integer, got "high"',
    "sluice.yaml:3:3: listen.hsot: there is no such option; did you mean 'host'?",
    "sluice.yaml:7:9: upstreams.app.targets.0: '127.0.0.1:5173' is not a valid target: it has no scheme; did you mean 'http://127.0.0.1:5173'?",
    'sluice.yaml:8:34: upstreams.app.targets.1.weight: must be an integer of at least 1, got 0',
    'sluice.yaml:10:5: upstreams.api.targets: must be an array or an object, but is missing',
    "sluice.yaml:10:5: upstreams.api.conectTimeout: there is no such option; did you mean 'connectTimeout'?",
    'sluice.yaml:12:10: routes.0.url: must begin with /, or be *, got "api"',
    'sluice.yaml:14:5: routes.1.upstream: must be a string, but is missing',
    "sluice.yaml:16:15: routes.2.upstream: upstream 'apq' is not declared; did you mean 'app'?",
    'sluice.yaml:17:36: routes.2.websocket.handshakeTimeout: must be an integer (milliseconds), or a duration such as 500ms, 20s, 1m30s, 12h or 7d, got "soon"'
  ])
})

t.test('the rates of a route', async t => {
  t.strictSame(complaint(`upstreams:
  app: { targets: [http://127.0.0.1:1] }
routes:
  - url: /chat
    upstream: app
    websocket:
      messageRate: { messages: 50, key: adress }
      targetMessageRate:
        messages: 0
        key: { heder: x-api-key }
`).map(line => line.replace(/ \(What is counted together.*\)$/, '').replace(/ \(Messages a second.*\)$/, '')), [
    'sluice.yaml:7:41: routes.0.websocket.messageRate.key: must be "session" or "address" or an object, got "adress"',
    'sluice.yaml:9:19: routes.0.websocket.targetMessageRate.messages: must be a number greater than 0, got 0',
    'sluice.yaml:10:14: routes.0.websocket.targetMessageRate.key.header: must be a string, but is missing',
    "sluice.yaml:10:16: routes.0.websocket.targetMessageRate.key.heder: there is no such option; did you mean 'header'?"
  ])
})

t.test('a value that is not there has the place of its name', async t => {
  t.strictSame(complaint('listen:\n  port:\nupstreams:\n'), [
    'sluice.yaml:2:3: listen.port: must be an integer, got null',
    'sluice.yaml:3:1: upstreams: must be an object, got null'
  ])
})

t.test('the top level must be a mapping', async t => {
  t.strictSame(complaint('- url: /\n'), ['sluice.yaml:1:1: must be an object, got [{"url":"/"}]'])
  t.strictSame(complaint('# head\nhello\n'), ['sluice.yaml:2:1: must be an object, got "hello"'])
})

t.test('an empty file is an error', async t => {
  for (const text of ['', '\n', '# nothing\n', '~', '---\n']) {
    t.strictSame(complaint(text), ["sluice.yaml:1:1: the file is empty; it must have a mapping with 'upstreams' and 'routes'"], JSON.stringify(text))
  }
})

t.test('errors of YAML have their place, too', async t => {
  t.strictSame(complaint('listen: [\n'), ["sluice.yaml:1:9: the '[' is not closed; put a ']' behind its last entry, and indent the lines between them further than the line of the '['"])
  t.strictSame(complaint('listen: {}\n\tport: 1\n').map(line => line.slice(0, 15)), ['sluice.yaml:2:1'])
  t.strictSame(complaint('listen:\n  port: 1\n  port: 2\nlisten: {}\n'), [
    "sluice.yaml:3:3: the key 'port' is there already; every key must be unique",
    "sluice.yaml:4:1: the key 'listen' is there already; every key must be unique"
  ])
  t.strictSame(complaint('listen: {}\n---\nlisten: {}\n'), ["sluice.yaml:2:1: there must be one document in the file; remove the '---' and what follows"])
  t.strictSame(complaint('listen: !local {}\n'), ["sluice.yaml:1:9: the tag '!local' is not known here; remove it, or put a text that begins with ! in quotes"])
  t.strictSame(complaint('routes:\n  - *app\n'), ["sluice.yaml:2:5: alias '*app' has no anchor '&app' before it; a text that begins with * must be in quotes: '*app'"])
})

t.test('anchors and aliases work, and a problem behind an alias is found', async t => {
  const { config } = parseConfig('upstreams:\n  a: &a { targets: [http://a] }\n  b: *a\n', 'sluice.yaml', false)
  t.strictSame(config.upstreams, { a: { targets: ['http://a'] }, b: { targets: ['http://a'] } })
  t.strictSame(complaint('upstreams:\n  a: &a { target: 1 }\n  b: *a\n').slice(2), [
    "sluice.yaml:2:11: upstreams.b.target: there is no such option; did you mean 'targets'?",
    'sluice.yaml:3:6: upstreams.b.targets: must be an array or an object, but is missing'
  ])
  const laughs = 'abcdefghi'.replace(/./g, (name, index: number) =>
    `${name}: &${name} [${Array(10).fill(index === 0 ? 'ha' : `*${'abcdefghi'[index - 1]}`).join(', ')}]\n`)
  t.strictSame(complaint(laughs), ["sluice.yaml:1:1: its aliases ('*name') stand for too many values; write them out"])
})

t.test('names with odd characters do no harm', async t => {
  t.strictSame(complaint('upstreams:\n  1: {}\n  __proto__: {}\n  "a.b": { targets: [] }\n'), [
    'sluice.yaml:2:6: upstreams.1.targets: must be an array or an object, but is missing',
    'sluice.yaml:3:14: upstreams.__proto__.targets: must be an array or an object, but is missing',
    'sluice.yaml:4:21: upstreams.a.b.targets: must be an array with a length of at least 1, got []'
  ])
})

t.test('reads a file, and says when that fails', async t => {
  const directory = t.testdir({ 'sluice.yaml': RIGHT, 'wrong.yaml': 'x: 1\n' })
  t.match(await readConfigFile('sluice.yaml', { openEnded: false, directory }), { config: { listen: { port: 8080 } } })
  await t.rejects(readConfigFile('wrong.yaml', { openEnded: false, directory }), { message: /^wrong\.yaml:1:1: x: there is no such option; known are / })
  await t.rejects(readConfigFile('none.yaml', { openEnded: false, directory }), { code: 'SLUICE_CONFIG_INVALID', message: 'none.yaml: cannot be read: there is no such file' })
  mkdirSync(join(directory, 'folder'))
  await t.rejects(readConfigFile('folder', { openEnded: false, directory }), { message: 'folder: cannot be read: it is a directory' })
})

/* eslint-disable no-template-curly-in-string */

// Issue 12.
t.test('variables, durations, sizes, merge keys and keys that begin with x-', async t => {
  const { config, places } = parseConfig(`x-defaults: &defaults
  upstream: app
  websocket: &websocket { idleTimeout: 10m, maxMessageSize: 1MiB }
x-more: { anything: [at, all] }
listen: { port: "\${PORT}", host: "\${HOST:-127.0.0.1}" }
drainTimeout: \${DRAIN:-20s}
admin: \${ADMIN}
upstreams:
  app: { targets: ["http://\${TARGET}:5173"] }
routes:
  - <<: *defaults
    url: /live
  - <<: [{ url: /other, bodyLimit: 64KiB }, *defaults]
    websocket: { <<: *websocket, idleTimeout: 5s }
`, 'sluice.yaml', false, { PORT: '8081', ADMIN: 'true', TARGET: 'localhost' })
  t.strictSame(config, {
    listen: { port: 8081, host: '127.0.0.1' },
    drainTimeout: 20_000,
    admin: true,
    upstreams: { app: { targets: ['http://localhost:5173'] } },
    routes: [
      { upstream: 'app', websocket: { idleTimeout: 600_000, maxMessageSize: 1_048_576 }, url: '/live' },
      { url: '/other', bodyLimit: 65_536, upstream: 'app', websocket: { maxMessageSize: 1_048_576, idleTimeout: 5_000 } }
    ]
  })
  t.equal(locateIn(places)(['routes', '0', 'websocket', 'idleTimeout']), 'sluice.yaml:3:40: routes.0.websocket.idleTimeout')
})

t.test('what is wrong with variables, durations and merged keys has its place', async t => {
  t.strictSame(complaint('listen: { port: "${PORT}" }\nlogLevel: ${LEVEL}\n'), [
    'sluice.yaml:1:17: the environment variable PORT is not set; set it, or give a default: ${PORT:-default}',
    'sluice.yaml:2:11: the environment variable LEVEL is not set; set it, or give a default: ${LEVEL:-default}'
  ])
  t.strictSame(complaint('drainTimeout: soon\nx-a: &a { websokcet: true }\nroutes:\n  - <<: *a\n    url: /\n    upstream: http://a\n'), [
    'sluice.yaml:1:15: drainTimeout: must be an integer (milliseconds), or a duration such as 500ms, 20s, 1m30s, 12h or 7d, got "soon"',
    "sluice.yaml:2:11: routes.0.websokcet: there is no such option; did you mean 'websocket'?"
  ])
  t.match(complaint('drainTimeout: 0s\n'), [/^sluice\.yaml:1:15: drainTimeout: must be an integer of at least 1, got 0/])
  t.match(complaint('listen: { port: ${PORT} }\n'), [/^sluice\.yaml:1:1[0-9]: .*quotes/])
})
