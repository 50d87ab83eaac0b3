import t from 'tap'
import { startDemoUpstream } from '../../../src/service/demo/upstream.js'
import { nextMessage, openSocket } from '../../helpers/sockets.js'
import { once } from 'node:events'
import { WebSocket } from 'ws'

t.test('serves a page that loads nothing from elsewhere', async t => {
  const demo = await startDemoUpstream()
  t.teardown(demo.close)
  const response = await fetch(demo.url)
  t.equal(response.headers.get('content-type'), 'text/html; charset=utf-8')
  const page = await response.text()
  t.match(page, '<title>Sluice demo</title>')
  t.notMatch(page, /(?:src|href)="(?!data:)|@import|url\(/)
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
  const socket = new WebSocket(`${demo.url.replace('http', 'ws')}/hello`, { headers: { cookie: 'session=1', authorization: 'Bearer 1', 'x-mine': 'shown' } })
  const greeting = JSON.parse(await nextMessage(socket)) as { upstream: string, headers: Record<string, string> }
  t.equal(`http://${greeting.upstream}`, demo.url)
  t.match(greeting.headers, { upgrade: 'websocket', connection: 'Upgrade', cookie: '(hidden)', authorization: '(hidden)', 'x-mine': 'shown' })
  const echo = nextMessage(socket)
  socket.send('hello')
  t.equal(await echo, 'hello')
})

t.test('close() ends open WebSockets', async t => {
  const demo = await startDemoUpstream()
  const socket = await openSocket(`${demo.url}/echo`)
  const end = once(socket, 'close')
  await demo.close()
  await end
  await t.rejects(fetch(demo.url))
})
