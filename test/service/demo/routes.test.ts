import { once } from 'node:events'
import { fastify } from 'fastify'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { redactedLogs } from '../../../src/observers/redaction.js'
import { locateInObject } from '../../../src/service/places.js'
import { openGateway, type RunningGateway } from '../../../src/service/running-gateway.js'
import { LOSE, type DemoEvent, type Ended, type FeedMessage, type SeenByTarget, type Started } from '../../../src/service/demo/protocol.js'
import { closed, nextMessage, openSocket, refusal } from '../../helpers/sockets.js'

// What the page's buttons do, over real sockets: what the client gets, and the line that the feed has of it.

const parts = { config: { listen: { port: 0 } }, locate: locateInObject, demo: true, logger: false as const }

async function start (t: Test): Promise<{ gateway: RunningGateway, url: string, feed: Feed }> {
  const gateway = openGateway(parts)
  t.teardown(() => gateway.close())
  const url = await gateway.listen()
  return { gateway, url, feed: await openFeed(url) }
}

interface Feed {
  socket: WebSocket
  hello: Extract<FeedMessage, { type: 'hello' }>
  /** The first event of a kind that is meant, whether it has come or is to come. */
  event: <Type extends DemoEvent['type']>(type: Type, isMeant: (event: Extract<DemoEvent, { type: Type }>) => boolean) => Promise<Extract<DemoEvent, { type: Type }>>
}

async function openFeed (url: string): Promise<Feed> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/demo/feed`)
  const events: DemoEvent[] = []
  const look = new Set<() => void>()
  socket.on('message', data => {
    events.push(...(JSON.parse(String(data)) as FeedMessage).events)
    for (const one of look) one()
  })
  const hello = JSON.parse(await nextMessage(socket)) as Feed['hello']
  return {
    socket,
    hello,
    event: (type, isMeant) => new Promise(resolve => {
      const one = (): void => {
        const found = events.find(event => event.type === type && isMeant(event as never))
        if (found === undefined) return
        look.delete(one)
        resolve(found as never)
      }
      look.add(one)
      one()
    })
  }
}

async function openSession (url: string): Promise<{ socket: WebSocket, seen: SeenByTarget, id: string }> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/demo/socket`, ['demo.v1', 'other'], { headers: { 'x-forwarded-for': '203.0.113.7' } })
  const seen = JSON.parse(await nextMessage(socket)) as SeenByTarget
  return { socket, seen, id: header(seen, 'x-request-id')! }
}

function header ({ headers }: Pick<SeenByTarget, 'headers'>, name: string): string | undefined {
  return headers.find(([other]) => other.toLowerCase() === name)?.[1]
}

const endOf = (feed: Feed, id: string): Promise<Ended> => feed.event('end', event => event.id === id)
const startOf = (feed: Feed, id: string): Promise<Started> => feed.event('start', event => event.id === id)

t.test('a request: as it was sent, as the target got it, and its line', async t => {
  const { url, feed } = await start(t)
  t.match(feed.hello, { type: 'hello', version: /^\d/, rate: 10, events: [] })
  const response = await fetch(`${url}/demo/request`, { method: 'POST', body: 'Hello', headers: { 'content-type': 'text/plain', 'x-real-ip': '203.0.113.7', cookie: 'other=app', authorization: 'Bearer x' } })
  const seen = await response.json() as SeenByTarget
  t.match(seen, { method: 'POST', url: '/demo/request', body: 'Hello', target: /^127\.0\.0\.1:\d+$/ })
  t.equal(header(seen, 'x-real-ip'), undefined)
  t.equal(header(seen, 'cookie'), '(hidden)', 'cookies of a host are those of all its ports')
  const id = header(seen, 'x-request-id')!
  const started = await startOf(feed, id)
  t.match(started, { kind: 'request', method: 'POST', url: '/demo/request', httpVersion: '1.1', client: /^127\.0\.0\.1:\d+$/ })
  t.equal(header(started, 'x-real-ip'), '203.0.113.7')
  t.equal(header(started, 'authorization'), '(hidden)')
  const { line, ...end } = await endOf(feed, id)
  t.match(end, { by: 'target', reason: 'complete', status: 200, closeSent: null })
  t.match(line.text, /^\[[\d:.]+\] INFO: 127\.0\.0\.1 POST \/demo\/request 200 [\d.]+ ms → demo http:\/\/127\.0\.0\.1:\d+$/)
  t.match(JSON.parse(line.json), { level: 30, reqId: id, res: { statusCode: 200 }, route: '/*', upstream: 'demo', msg: 'request completed' })
})

t.test('a refusal is passed on, status and body', async t => {
  const { url, feed } = await start(t)
  const { status, body, headers } = await refusal(`${url}/demo/refused?try=1`)
  t.equal(status, 401)
  t.match(headers, { 'www-authenticate': 'Bearer realm="demo"' })
  t.match(JSON.parse(body), { error: 'Unauthorized' })
  const asRequest = await fetch(`${url}/demo/refused`)
  t.equal(asRequest.status, 401)
  t.equal(await asRequest.text(), body, 'a request gets the same, for browsers to show')
  const { line, ...end } = await feed.event('end', event => event.url === '/demo/refused?try=1')
  t.match(end, { by: 'target', reason: 'refused', status: 401, closeSent: null })
  t.equal(header(end, 'www-authenticate'), 'Bearer realm="demo"')
  t.match(line.text, / GET \/demo\/refused\?try=1 401 /)
})

t.test('a session: what the target got, the subprotocol that it chose, and echoes', async t => {
  const { url, feed } = await start(t)
  const { socket, seen, id } = await openSession(url)
  t.equal(socket.protocol, 'demo.v1')
  t.equal(header(seen, 'x-forwarded-for'), '127.0.0.1', 'not the one that the client made up')
  t.equal(header(seen, 'connection'), 'Upgrade')
  t.match(await startOf(feed, id), { kind: 'handshake', url: '/demo/socket' })
  const echo = nextMessage(socket)
  socket.send('Hello')
  t.equal(await echo, 'Hello')
  socket.close(1000, 'bye')
  const { line, ...end } = await endOf(feed, id)
  t.match(end, { by: 'client', reason: 'close', status: 101, closeSent: { client: 1000, target: 1000 } })
  t.match(line.text, / WS \/demo\/socket ended by client: close 1000, after [\d.]+ ms, 1\/2 messages → demo /)
})

t.test('a target that is lost: no Close, 1006', async t => {
  const { url, feed } = await start(t)
  const { socket, id } = await openSession(url)
  const end = closed(socket)
  socket.send(LOSE)
  t.same(await end, { code: 1006, reason: '' })
  t.match(await endOf(feed, id), { by: 'target', reason: 'lost', closeSent: { client: null }, line: { level: 'info', text: / ended by target: lost 1006,/ } })
})

t.test('more messages than the route allows: 1008', async t => {
  const { url, feed } = await start(t)
  const { socket, id } = await openSession(url)
  const end = closed(socket)
  for (let index = 0; index < 3 * feed.hello.rate; index++) socket.send('more')
  t.match(await end, { code: 1008 })
  t.match(await endOf(feed, id), { by: 'gateway', reason: 'rate', closeSent: { client: 1008, target: 1008 }, line: { text: / ended by gateway: rate 1008,/ } })
})

t.test('a message that is too long: 1009', async t => {
  const { url, feed } = await start(t)
  const { socket, id } = await openSession(url)
  const end = closed(socket)
  socket.send('x'.repeat(65_537))
  t.match(await end, { code: 1009 })
  t.match(await endOf(feed, id), { by: 'client', reason: 'too-big' })
})

t.test('a drain ends the sessions with 1012, and a new one opens at once', async t => {
  const { url, feed } = await start(t)
  const { socket, id } = await openSession(url)
  const echo = await openSocket(`${url}/echo`)
  const ends = Promise.all([closed(socket), closed(echo)])
  feed.socket.send(JSON.stringify({ type: 'drain' }))
  t.same(await ends, [{ code: 1012, reason: 'service restart' }, { code: 1012, reason: 'service restart' }])
  t.match(await endOf(feed, id), { by: 'gateway', reason: 'application', closeSent: { client: 1012, target: 1012 } })
  t.equal(feed.socket.readyState, WebSocket.OPEN)
  await openSession(url)
})

t.test('the line is that of the log', async t => {
  const lines: string[] = []
  const { log } = fastify({ logger: { ...redactedLogs(), stream: { write: (line: string) => { lines.push(line) } } } })
  const gateway = openGateway({ ...parts, logger: log })
  t.teardown(() => gateway.close())
  const url = await gateway.listen()
  const feed = await openFeed(url)
  const { socket, id } = await openSession(url)
  socket.close(1000)
  const { json } = (await endOf(feed, id)).line
  const logged = lines.map(line => JSON.parse(line)).find(line => line.session !== undefined)
  const { time, pid, hostname, ...fields } = logged
  const { time: _, ...shown } = JSON.parse(json)
  t.same(shown, fields)
})

t.test('a page that comes later gets what was, and no more than the last 50 lines', async t => {
  const { url, feed } = await start(t)
  for (let index = 0; index < 60; index++) await (await fetch(`${url}/demo/request?${index}`)).text()
  await feed.event('end', event => event.url === '/demo/request?59')
  const late = await openFeed(url)
  const ends = late.hello.events.filter(({ type }) => type === 'end')
  t.equal(ends.length, 50)
  t.equal(ends.at(-1)!.url, '/demo/request?59')
  t.equal(late.hello.events.length, 100)
})

t.test('what is not a command ends the feed that sent it', async t => {
  const { url } = await start(t)
  for (const text of ['{', '"drain"', '{"type":"stop"}', 'null']) {
    const { socket } = await openFeed(url)
    const end = closed(socket)
    socket.send(text)
    t.match(await end, { code: 1008 }, text)
  }
  const { socket } = await openFeed(url)
  socket.on('error', () => {})
  const end = closed(socket)
  socket.send('x'.repeat(2_000))
  t.match(await end, { code: 1009 })
})

t.test('more pages than 32 are refused until one leaves', async t => {
  const { url, feed } = await start(t)
  await Promise.all(Array.from({ length: 31 }, () => openFeed(url)))
  const socket = new WebSocket(`${url.replace('http', 'ws')}/demo/feed`)
  t.match(await closed(socket), { code: 1013 })
  feed.socket.close()
  await once(feed.socket, 'close')
  await openFeed(url)
})

t.test('nobody but this machine and the page itself may use it', async t => {
  const { url } = await start(t)
  const { port } = new URL(url)
  const wanted = { status: 403, body: /SLUICE_DEMO_FORBIDDEN/ }
  for (const path of ['/demo/feed', '/demo/socket', '/demo/refused', '/echo']) {
    t.match(await refusal(`${url}${path}`, { origin: 'http://evil.example' }), wanted, `${path}, another origin`)
    t.match(await refusal(`${url}${path}`, { origin: `http://127.0.0.1:${Number(port) + 1}` }), wanted, `${path}, another port`)
    t.match(await refusal(`${url}${path}`, { origin: 'null' }), wanted, `${path}, a sandboxed page`)
    t.match(await refusal(`${url}${path}`, { headers: { host: `rebound.example:${port}` }, origin: `http://rebound.example:${port}` }), wanted, `${path}, DNS rebinding`)
  }
  t.equal((await fetch(`${url}/demo/request`, { method: 'POST', headers: { origin: 'http://evil.example' } })).status, 403)
  for (const host of ['localhost', 'demo.localhost', '[::1]']) {
    const socket = await openSocket(`${url}/echo`, [], { headers: { host: `${host}:${port}` }, origin: `http://${host}:${port}` })
    socket.terminate()
  }
})

t.test('a reload ends sessions and feeds, and both come back to the new app', async t => {
  const { gateway, url, feed } = await start(t)
  const { socket, id } = await openSession(url)
  const ends = Promise.all([closed(socket), closed(feed.socket)])
  await gateway.reload(() => parts)
  t.same((await ends).map(({ code }) => code), [1012, 1012])
  t.match(await endOf(feed, id), { reason: 'removed' }, 'its line came before')
  const again = await openFeed(url)
  const session = await openSession(url)
  session.socket.close(1000)
  t.match(await endOf(again, session.id), { by: 'client' })
})

t.test('a stop ends the session with 1012, gives the page the line, and waits for no page', async t => {
  const { gateway, url, feed } = await start(t)
  const { socket, id } = await openSession(url)
  // It never responds to a Close.
  feed.socket.pause()
  const other = await openFeed(url)
  const ends = Promise.all([closed(socket), closed(other.socket)])
  await gateway.close()
  t.match((await ends)[0], { code: 1012 })
  t.match(await endOf(other, id), { by: 'gateway', reason: 'drain' })
  feed.socket.resume()
  await once(feed.socket, 'close')
})
