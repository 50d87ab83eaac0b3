import t from 'tap'
import { GatewayConfig } from '../../src/options/index.js'
import { quantityOf, withQuantities } from '../../src/options/quantities.js'

t.test('durations and sizes', async t => {
  for (const [text, value] of [['20s', 20_000], ['500ms', 500], ['1m30s', 90_000], ['1.5s', 1_500], ['12h', 43_200_000], ['7d', 604_800_000], ['1.1s', 1_100], ['2 m', 120_000], ['0s', 0]] as const) {
    t.equal(quantityOf(text, 'milliseconds'), value, text)
  }
  for (const text of ['', '20', 's', '20 sec', '20S', '1m 30s', '1.5ms', '-1s', '1e3s', '20s!', '!20s', '1..5s', '20s20', 'constructors', '1constructor']) {
    t.equal(quantityOf(text, 'milliseconds'), undefined, text)
  }
  t.equal(quantityOf('90s', 'seconds'), 90)
  t.equal(quantityOf('500ms', 'seconds'), undefined)
  for (const [text, value] of [['64KiB', 65_536], ['10MiB', 10_485_760], ['10MB', 10_000_000], ['1.5KiB', 1_536], ['512B', 512], ['1kB', 1_000]] as const) {
    t.equal(quantityOf(text, 'bytes'), value, text)
  }
  for (const text of ['10', '10m', '10M', '10k', '1KiB1B', '0.3B', 'MiB', '10 MiB ']) t.equal(quantityOf(text, 'bytes'), undefined, text)
})

const config = (value: object, variables: string[] = []) => withQuantities(GatewayConfig, value, path => variables.includes(path.join('.')))

t.test('they are read wherever a number of that unit belongs', async t => {
  t.strictSame(config({
    drainTimeout: '20s',
    listen: [{ maxHeaderSize: '32KiB', requestTimeout: '1m', host: '20s' }, { requestTimeout: false }],
    upstreams: { app: { targets: ['http://a', { url: '10s' }], headersTimeout: '5m', health: { path: '/10s', interval: '3s' }, sticky: { maxAge: '1h' } } },
    routes: [{ url: '/20s', bodyLimit: '10MiB', websocket: { idleTimeout: '10m', messageRate: { messages: 1, bytes: '1MB' } } }]
  }).value, {
    drainTimeout: 20_000,
    listen: [{ maxHeaderSize: 32_768, requestTimeout: 60_000, host: '20s' }, { requestTimeout: false }],
    upstreams: { app: { targets: ['http://a', { url: '10s' }], headersTimeout: 300_000, health: { path: '/10s', interval: 3_000 }, sticky: { maxAge: 3_600 } } },
    routes: [{ url: '/20s', bodyLimit: 10_485_760, websocket: { idleTimeout: 600_000, messageRate: { messages: 1, bytes: 1_000_000 } } }]
  })
})

t.test('what is none of them is said, with the units', async t => {
  t.strictSame(config({ drainTimeout: '20 sec', routes: [{ bodyLimit: '10 megs' }], workers: 'some' }).problems, [
    { path: ['drainTimeout'], message: 'must be an integer (milliseconds), or a duration such as 500ms, 20s, 1m30s, 12h or 7d, got "20 sec"' },
    { path: ['routes', '0', 'bodyLimit'], message: 'must be an integer (bytes), or a size such as 64KiB, 10MiB or 10MB, got "10 megs"' }
  ])
})

t.test('a variable may stand for a number or for true and false; a text that is written may not', async t => {
  const value = { workers: '2', admin: 'true', listen: { port: '8080', host: '1' }, drainTimeout: '500', logLevel: 'warn', routes: [{ websocket: 'false', url: '1' }] }
  const all = ['workers', 'admin', 'listen.port', 'listen.host', 'drainTimeout', 'logLevel', 'routes.0.websocket', 'routes.0.url']
  t.strictSame(config(value, all).value, { workers: 2, admin: true, listen: { port: 8080, host: '1' }, drainTimeout: 500, logLevel: 'warn', routes: [{ websocket: false, url: '1' }] })
  t.strictSame(config({ listen: { port: '8080' }, workers: 'auto', admin: 'true' }).value, { listen: { port: '8080' }, workers: 'auto', admin: 'true' })
})

t.test('names such as __proto__ are names', async t => {
  const value = JSON.parse('{ "upstreams": { "__proto__": { "headersTimeout": "5s" } } }') as object
  t.equal(JSON.stringify(config(value).value), '{"upstreams":{"__proto__":{"headersTimeout":5000}}}')
})
