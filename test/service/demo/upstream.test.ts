import t from 'tap'
import { startDemoUpstream } from '../../../src/service/demo/upstream.js'
import { LOSE, REFUSAL_PATH, REQUEST_PATH, SOCKET_PATH, SUBPROTOCOL, type SeenByTarget } from '../../../src/service/demo/protocol.js'
import { closed, nextMessage, openSocket, refusal } from '../../helpers/sockets.js'
import { once } from 'node:events'
import { WebSocket } from 'ws'

t.test('serves a page that loads nothing from elsewhere', async t => {
  const demo = await startDemoUpstream()
  t.teardown(demo.close)
  const response = await fetch(demo.url)
  t.equal(response.headers.get('content-type'), 'text/html; charset=utf-8')
  t.match(response.headers.get('content-security-policy'), /^default-src 'none'; .*frame-ancestors 'none'$/)
  const page = await response.text()
  t.match(page, '<title>Sluice demo</title>')
  const loaded = [...page.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, url]) => url!).filter(url => !/^(?:data:|#)/.test(url))
  t.same(loaded, ['page.css', 'page.js'])
  let bytes = page.length
  for (const file of loaded) {
    const text = await (await fetch(`${demo.url}/${file}`)).text()
    t.notMatch(text, /https?:\/\/(?!www\.w3\.org\/2000\/svg)|@import|url\(/, file)
    bytes += text.length
  }
  t.ok(bytes < 40_960, `the page is small: ${bytes} bytes`)
})

t.test('echoes text and bytes', async t => {
  const demo = await startDemoUpstream()
  t.teardown(demo.close)
  const socket = await openSocket(`${demo.url}/echo`)
  const text = once(socket, 'message')
  socket.send('hello')
  t.strictSame(await text, [Buffer.from('hello'), false])
  const bytes = once(socket, 'message')
  socket.send(Buffer.from([0, 255]))
  t.strictSame(await bytes, [Buffer.from([0, 255]), true])
})

t.test('tells the page what arrived, without secrets, then echoes', async t => {
  const demo = await startDemoUpstream()
  t.teardown(demo.close)
  const socket = new WebSocket(`${demo.url.replace('http', 'ws')}${SOCKET_PATH}`, ['other', SUBPROTOCOL], { headers: { Cookie: 'session=1', authorization: 'Bearer 1', 'X-Mine': 'shown' } })
  const { target, headers } = JSON.parse(await nextMessage(socket)) as SeenByTarget
  t.equal(socket.protocol, SUBPROTOCOL)
  t.equal(`http://${target}`, demo.url)
  for (const pair of [['Upgrade', 'websocket'], ['Connection', 'Upgrade'], ['Cookie', '(hidden)'], ['authorization', '(hidden)'], ['X-Mine', 'shown']]) {
    t.ok(headers.some(([name, value]) => name === pair[0] && value === pair[1]), pair.join(': '))
  }
  const echo = nextMessage(socket)
  socket.send('hello')
  t.equal(await echo, 'hello')
})

t.test('responds to a request with what arrived', async t => {
  const demo = await startDemoUpstream()
  t.teardown(demo.close)
  const response = await fetch(`${demo.url}${REQUEST_PATH}?a=b`, { method: 'POST', body: 'Hello', headers: { 'content-type': 'text/plain' } })
  t.match(await response.json(), { method: 'POST', url: `${REQUEST_PATH}?a=b`, body: 'Hello' })
})

t.test('refuses with words of its own, a handshake and a request alike', async t => {
  const demo = await startDemoUpstream()
  t.teardown(demo.close)
  const { status, body } = await refusal(`${demo.url}${REFUSAL_PATH}`)
  t.equal(status, 401)
  t.equal(await (await fetch(`${demo.url}${REFUSAL_PATH}`)).text(), body)
})

t.test('destroys its connection when it is asked to', async t => {
  const demo = await startDemoUpstream()
  t.teardown(demo.close)
  const socket = await openSocket(`${demo.url}${SOCKET_PATH}`)
  const end = closed(socket)
  socket.send(LOSE)
  t.match(await end, { code: 1006 })
})

t.test('close() ends open WebSockets', async t => {
  const demo = await startDemoUpstream()
  const socket = await openSocket(`${demo.url}/echo`)
  const end = once(socket, 'close')
  await demo.close()
  await end
  await t.rejects(fetch(demo.url))
})
