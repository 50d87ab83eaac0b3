import Fastify from 'fastify'
import t from 'tap'
import { redactUrl, redactedLogs, redactedProtocol } from '../../src/observers/redaction.js'

// Issue 8, item 28.

t.test('values of query parameters that look like secrets are taken out', async t => {
  const redact = redactUrl()
  for (const [given, expected] of Object.entries({
    '/a': '/a',
    '/a?token=s': '/a?token=[redacted]',
    '/a?x=1&access_token=s&y=2#token=s': '/a?x=1&access_token=[redacted]&y=2#token=[redacted]',
    '/a?ACCESS-TOKEN=s;code=s': '/a?ACCESS-TOKEN=[redacted];code=[redacted]',
    '/a?my.api_key=s&accessToken=s&%74oken=s&X-Amz-Signature=s': '/a?my.api_key=[redacted]&accessToken=[redacted]&%74oken=[redacted]&X-Amz-Signature=[redacted]',
    '/a?monkey=1&tokens=2&q=token&=x&token': '/a?monkey=1&tokens=2&q=token&=x&token',
    '/a?token=a=b?c': '/a?token=[redacted]',
    '/a?%=1&%zz_key=s': '/a?%=1&%zz_key=[redacted]'
  })) t.equal(redact(given), expected)
  t.equal(redactUrl(['Mine'])('/a?token=1&mine=2&not-mine=3'), '/a?token=1&mine=[redacted]&not-mine=[redacted]')
})

t.test('tokens in subprotocols are taken out', async t => {
  for (const [given, expected] of Object.entries({
    'graphql-transport-ws': 'graphql-transport-ws',
    'v4.channel.k8s.io': 'v4.channel.k8s.io',
    'base64url.bearer.authorization.k8s.io.c29tZS10b2tlbi1vZi1zb21lYm9keQ': 'base64url.bearer.authorization.k8s.io.[redacted]',
    'bearer.eyJhbGciOiJIUzI1NiJ9.e30.c2ln': 'bearer.[redacted]',
    'eyJhbGciOiJIUzI1NiJ9.e30.c2ln': '[redacted]',
    [`${'a'.repeat(65)}`]: '[redacted]'
  })) t.equal(redactedProtocol(given), expected)
  t.equal(redactedProtocol(undefined), undefined)
})

t.test('long input takes little time', async t => {
  const before = performance.now()
  for (const text of ['?' + 'a'.repeat(1e6), '?' + 'a='.repeat(5e5), 'a?'.repeat(5e5), '?' + '&'.repeat(1e6), '?%' + '%41'.repeat(3e5)]) redactUrl()(text)
  for (const text of ['.'.repeat(1e6), 'bearer.'.repeat(1e5), 'e'.repeat(1e6), '.ey1'.repeat(2e5)]) redactedProtocol(text)
  t.ok(performance.now() - before < 5000)
})

t.test("no line of Fastify's has them, that of a route which is not found included", async t => {
  let log = ''
  const app = Fastify({ logger: { level: 'trace', stream: { write: line => { log += line } }, ...redactedLogs() as object } })
  t.teardown(() => app.close())
  app.get('/a', async () => { throw new Error('failed') })
  await app.inject('/a?token=SECRET&x=shown')
  await app.inject('/404?token=SECRET')
  t.notMatch(log, /SECRET/)
  t.match(log, 'x=shown')
  t.match(log, '"remoteAddress":"127.0.0.1"')
})
