import t from 'tap'
import { handshakeHeaders, listsToken, requestHeaders, responseHeaders, type Forwarding } from '../../src/upstreams/headers.js'

const forwarding: Forwarding = { for: '192.0.2.1', host: 'example.test', proto: 'http', port: '8080' }
const forwarded = ['X-Forwarded-For', '192.0.2.1', 'X-Forwarded-Proto', 'http', 'X-Forwarded-Host', 'example.test', 'X-Forwarded-Port', '8080']

t.test('order, case and repetition survive', async t => {
  const received = ['hOsT', 'example.test', 'Cookie', 'a=1', 'X-B', '2', 'x-b', '1', 'Cookie', 'b=2']
  t.same(requestHeaders(received, forwarding, 'target'), [...received, ...forwarded])
})

t.test('hop-by-hop headers and what Connection nominates go', async t => {
  t.same(requestHeaders([
    'Host', 'x', 'Connection', 'close, X-Hop', 'X-Hop', '1', 'Keep-Alive', 'timeout=5', 'Proxy-Connection', 'close',
    'Proxy-Authorization', 'Basic x', 'TE', 'trailers', 'Trailer', 'X', 'Transfer-Encoding', 'chunked', 'Upgrade', 'h2c',
    'HTTP2-Settings', 'AA', 'Expect', '100-continue', 'X-Stays', '1'
  ], forwarding, 'target'), ['Host', 'x', 'X-Stays', '1', ...forwarded])
  t.same(responseHeaders(['Connection', 'x-hop', 'X-Hop', '1', 'Keep-Alive', 'timeout=5', 'Upgrade', 'h2c', 'Transfer-Encoding', 'chunked', 'ETag', 'x']), ['ETag', 'x'])
})

t.test('headers that matter cannot be nominated away', async t => {
  const kept = ['Host', 'x', 'Cookie', 'a', 'Authorization', 'b', 'Content-Length', '3', 'Origin', 'c', 'Sec-WebSocket-Key', 'd']
  const names = 'host, cookie, authorization, content-length, origin, sec-websocket-key, x-forwarded-for'
  t.same(requestHeaders(['Connection', names, ...kept], forwarding, 'target'), [...kept, ...forwarded])
})

t.test("a client's own forwarding headers are replaced", async t => {
  t.same(requestHeaders(['Host', 'x', 'X-Forwarded-For', 'evil', 'x-forwarded-user', 'root', 'Forwarded', 'for=evil', 'X-Real-IP', 'evil'], forwarding, 'target'), ['Host', 'x', ...forwarded])
})

t.test('a request without Host gets the one of the target', async t => {
  t.same(requestHeaders([], { for: 'a', host: undefined, proto: 'http', port: undefined }, 'target:80'),
    ['Host', 'target:80', 'X-Forwarded-For', 'a', 'X-Forwarded-Proto', 'http'])
})

t.test('a handshake gets an upgrade of its own', async t => {
  t.same(handshakeHeaders(['Host', 'x', 'Connection', 'keep-alive, Upgrade', 'Upgrade', 'WebSocket', 'Sec-WebSocket-Key', 'k'], forwarding, 'target'),
    ['Host', 'x', 'Sec-WebSocket-Key', 'k', ...forwarded, 'Connection', 'Upgrade', 'Upgrade', 'websocket'])
})

t.test('listsToken', async t => {
  t.ok(listsToken('Upgrade', 'upgrade'))
  t.ok(listsToken('keep-alive ,\tUpGrade', 'upgrade'))
  t.notOk(listsToken('upgraded', 'upgrade'))
  t.notOk(listsToken('not upgrade', 'upgrade'))
  t.notOk(listsToken(undefined, 'upgrade'))
})
