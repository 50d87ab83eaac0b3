import t from 'tap'
import { handshakeHeaders, headerValues, listsToken, requestHeaders, responseHeaders, type Forwarding } from '../../src/message/headers.js'

const forwarding: Forwarding = { for: '192.0.2.1', host: 'example.test', proto: 'http', port: '8080' }
const forwarded = ['X-Forwarded-For', '192.0.2.1', 'X-Forwarded-Proto', 'http', 'X-Forwarded-Host', 'example.test', 'X-Forwarded-Port', '8080']
/** What a request says of this hop. */
const hop = ['Connection', 'keep-alive']

t.test('order, case and repetition survive', async t => {
  const received = ['hOsT', 'example.test', 'Cookie', 'a=1', 'X-B', '2', 'x-b', '1', 'Cookie', 'b=2']
  t.same(requestHeaders(received, forwarding, 'target'), [...received, ...forwarded, ...hop])
})

t.test('hop-by-hop headers and what Connection nominates go', async t => {
  t.same(requestHeaders([
    'Host', 'x', 'Connection', 'close, X-Hop', 'X-Hop', '1', 'Keep-Alive', 'timeout=5', 'Proxy-Connection', 'close',
    'Proxy-Authorization', 'Basic x', 'TE', 'trailers', 'Trailer', 'X', 'Transfer-Encoding', 'chunked', 'Upgrade', 'h2c',
    'HTTP2-Settings', 'AA', 'Expect', '100-continue', 'X-Stays', '1'
  ], forwarding, 'target'), ['Host', 'x', 'X-Stays', '1', ...forwarded, 'TE', 'trailers', 'Connection', 'keep-alive, TE'])
  t.same(responseHeaders(['Connection', 'x-hop', 'X-Hop', '1', 'Keep-Alive', 'timeout=5', 'Upgrade', 'h2c', 'Transfer-Encoding', 'chunked', 'ETag', 'x']), ['ETag', 'x'])
})

t.test('headers that matter cannot be nominated away', async t => {
  const kept = ['Host', 'x', 'Cookie', 'a', 'Authorization', 'b', 'Content-Length', '3', 'Origin', 'c', 'Via', '1.1 a', 'Sec-WebSocket-Key', 'd']
  const names = 'host, cookie, authorization, content-length, origin, via, sec-websocket-key, x-forwarded-for, x-forwarded-proto, x-request-id, te'
  const own = [...forwarded, 'X-Request-Id', 'own']
  t.same(requestHeaders(['Connection', names, ...kept], { ...forwarding, requestId: 'own' }, 'target'), [...kept, ...own, ...hop])
  t.same(requestHeaders([...kept, 'Connection', 'x-a,,', 'X-A', '1', 'connection', ' HOST ,\tX-B', 'x-b', '2', 'X-C', '3'], { ...forwarding, requestId: 'own' }, 'target'),
    [...kept, 'X-C', '3', ...own, ...hop], 'also by several Connection headers, anywhere')
  const answer = ['Set-Cookie', 'a=1', 'Content-Length', '3', 'Cache-Control', 'no-store', 'Location', '/']
  t.same(responseHeaders(['Connection', 'set-cookie, content-length, cache-control, location', ...answer]), answer)
})

t.test('a name that only looks like one of those passes', async t => {
  const received = ['Host', 'x', 'Connections', 'a', 'Ti', 'b', 'Trailers', 'c', '\x14e', 'd', 'X', 'e', 'X-Forward', 'f', 'X-Request-Ids', 'g', 'X-Real-IPs', 'h', 'Hosts', 'i', 'Proxies', 'j']
  t.same(requestHeaders(received, forwarding, 'target'), [...received, ...forwarded, ...hop])
  t.same(responseHeaders(received), received)
})

t.test('TE says anew that trailers are taken, to a leg that relays them', async t => {
  const te = (...values: string[]) => headerValues(requestHeaders(values.flatMap(value => ['TE', value]), forwarding, 'target'), 'te')
  t.same(te('trailers'), ['trailers'])
  t.same(te('gzip;q=0.5, Trailers'), ['trailers'])
  t.same(te('gzip', 'trailers', 'trailers'), ['trailers'])
  t.same(te('gzip', ''), [])
  t.same(headerValues(handshakeHeaders(['TE', 'trailers'], forwarding, 'target'), 'te'), [])
})

t.test('what a response has that means something in requests only goes on', async t => {
  const received = ['Host', 'a', 'Expect', 'b', 'X-Forwarded-For', 'c', 'Forwarded', 'd', 'X-Request-Id', 'e', 'Set-Cookie', 'f', 'Set-Cookie', 'g']
  t.same(responseHeaders(received), received)
})

t.test('Host names the target on request, at its place', async t => {
  t.same(requestHeaders(['X-A', '1', 'hOST', 'x', 'X-B', '2'], { ...forwarding, hostOfTarget: true }, 'target'), ['X-A', '1', 'hOST', 'target', 'X-B', '2', ...forwarded, ...hop])
})

t.test('X-Request-Id: the id in the place of the client\'s, or the client\'s', async t => {
  const received = ['x-request-id', 'a', 'Host', 'x']
  t.same(requestHeaders(received, { ...forwarding, requestId: 'b' }, 'target'), ['Host', 'x', ...forwarded, 'X-Request-Id', 'b', ...hop])
  t.same(requestHeaders(received, forwarding, 'target'), [...received, ...forwarded, ...hop])
})

t.test('Via and Forwarded', async t => {
  t.same(requestHeaders(['Host', 'x', 'Via', '1.0 a'], { ...forwarding, via: '1.1 b', forwarded: 'for=c' }, 'target'),
    ['Host', 'x', 'Via', '1.0 a', ...forwarded, 'Forwarded', 'for=c', 'Via', '1.1 b', ...hop])
  t.same(responseHeaders(['Via', '1.0 a'], 'b'), ['Via', '1.0 a', 'Via', '1.1 b'])
})

t.test("a client's own forwarding headers are replaced", async t => {
  t.same(requestHeaders(['Host', 'x', 'X-Forwarded-For', 'evil', 'x-forwarded-user', 'root', 'Forwarded', 'for=evil', 'X-Real-IP', 'evil'], forwarding, 'target'), ['Host', 'x', ...forwarded, ...hop])
  t.same(requestHeaders(['Host', 'x', 'X_Forwarded_For', 'evil', 'x-forwarded_proto', 'evil', 'X_REAL_IP', 'evil', 'X-Request_Id', 'evil', 'X-Forwarded', 'evil', 'x_a', '1'], { ...forwarding, requestId: 'own' }, 'target'),
    ['Host', 'x', 'x_a', '1', ...forwarded, 'X-Request-Id', 'own', ...hop], 'nor does an underscore help')
})

t.test('of those of a trusted peer, the ones that the gateway does not set go on', async t => {
  const received = ['Host', 'x', 'Connection', 'x-forwarded-user, x-real-ip', 'X-Forwarded-For', 'a', 'X-Forwarded-Proto', 'b', 'X-Forwarded-Prefix', '/c', 'Forwarded', 'for=d', 'X-Forwarded-User', 'root', 'X-Real-IP', 'e']
  t.same(requestHeaders(received, { ...forwarding, trusted: true, prefix: '/p' }, 'target'),
    ['Host', 'x', 'X-Forwarded-User', 'root', 'X-Real-IP', 'e', ...forwarded, 'X-Forwarded-Prefix', '/p', ...hop])
})

t.test('a request without Host gets the one of the target', async t => {
  t.same(requestHeaders([], { for: 'a', host: undefined, proto: 'http', port: undefined }, 'target:80'),
    ['Host', 'target:80', 'X-Forwarded-For', 'a', 'X-Forwarded-Proto', 'http', ...hop])
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
