import { readFile } from 'node:fs/promises'
import { Ajv } from 'ajv'
import t from 'tap'
import { parse } from 'yaml'

/* What editors say of a sluice.yaml. */

const schema = JSON.parse(await readFile(new URL('../../sluice.schema.json', import.meta.url), 'utf8')) as object
const validate = new Ajv({ strict: false, allErrors: true }).compile(schema)

/** The places that are wrong. */
function wrong (yaml: string): string[] {
  return validate(parse(yaml, { merge: true })) ? [] : [...new Set(validate.errors!.map(({ instancePath }) => instancePath))]
}

t.test('what a file can have is valid', async t => {
  t.same(wrong(`
x-defaults: &defaults { upstream: app, websocket: { idleTimeout: 10m, maxMessageSize: 1MiB, pingInterval: false } }
include: [a.yaml, b/*.yaml]
workers: "\${WORKERS:-2}"
admin: "\${ADMIN}"
listen: [{ port: "\${PORT}", tls: { cert: a, key: b, handshakeTimeout: 5s } }, { port: 80, redirectToHttps: true }]
drainTimeout: 1m30s
drainCode: false
logLevel: "\${LEVEL:-info}"
upstreams:
  app: { targets: ["http://\${HOST}:80"], headersTimeout: 300000, sticky: { maxAge: 12h }, maxHeaderSize: 64KiB }
routes:
  - { <<: *defaults, url: "\${PREFIX}/x" }
  - { url: /*, upstream: app, websocket: true, bodyLimit: 10MB }
`), [])
})

t.test('what it cannot have is not', async t => {
  for (const [yaml, path] of [
    ['drainTimeout: 20 sec', '/drainTimeout'],
    ['drainTimeout: 10MiB', '/drainTimeout'],
    ['drainTimeout: $PORT', '/drainTimeout'],
    ['workers: some', '/workers'],
    ['workers: 2s', '/workers'],
    ['include: 1', '/include'],
    ['logLevel: loud', '/logLevel'],
    ['routes: [{ url: x, upstream: a }]', '/routes/0/url'],
    ['anything: 1', '']
  ] as const) t.ok(wrong(yaml).includes(path), `${yaml}: ${wrong(yaml).join(' ')}`)
})
