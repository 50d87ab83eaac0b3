import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import t, { type Test } from 'tap'
import { echoBackend, httpBackend } from '../helpers/backends.js'
import { startGateway, type RunningGateway } from '../helpers/gateway.js'
import { goodResponse, rawTarget, refusingPort } from '../helpers/raw-target.js'
import { closed, openSocket, refusal } from '../helpers/sockets.js'

async function send ({ port }: RunningGateway, method = 'GET', body?: string): Promise<IncomingMessage> {
  const [response] = await once(request({ port, method, agent: false }).end(body), 'response') as [IncomingMessage]
  return response.resume()
}

const load = ({ app }: RunningGateway) => app.gateway.upstreams.get('main')!.load

/** A target that takes requests and never responds. */
async function silent (t: Test) {
  let seen = 0
  const { url } = await httpBackend(t, () => { seen++ })
  return { url, get seen () { return seen } }
}

/** Resolves when an attempt that began just now is given up after 10 ms: by then, so are those of before that can be. */
async function anotherGivenUp (t: Test): Promise<void> {
  const good = await httpBackend(t, (_request, response) => { response.end() })
  const gateway = await startGateway(t, { targets: [(await silent(t)).url, good.url], upstream: { attemptTimeout: 10, balance: 'first' } })
  await send(gateway)
}

t.test('requests are sent again as long as the budget allows, and no longer', async t => {
  // Each connection is reset once its request is there, so that each request could be sent again.
  const breaking = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [breaking.url, breaking.url.replace('127.0.0.1', 'localhost')], upstream: { retries: 1, retryBudget: 0, passiveHealth: false } })
  const count = 5
  const responses = Array.from({ length: count }, () => send(gateway))
  const wires = await Promise.all(Array.from({ length: count }, () => breaking.next()))
  for (const wire of wires) await wire.head()
  t.match(load(gateway), { requests: count, retries: 0 })
  for (const wire of wires) wire.reset()
  // Three at a time are always allowed: the others fail with the error of their first attempt.
  const retried = await Promise.all([breaking.next(), breaking.next(), breaking.next()])
  for (const wire of retried) await wire.head()
  const first = await Promise.race(responses)
  t.equal(first.statusCode, 502)
  t.match(load(gateway), { retries: 3 })
  for (const wire of retried) wire.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  const statuses = (await Promise.all(responses)).map(({ statusCode }) => statusCode).sort()
  t.same(statuses, [200, 200, 200, 502, 502])
  await gateway.idle()
  t.match(load(gateway), { requests: 0, retries: 0 })
})

t.test('the budget grows with what is under way', async t => {
  const breaking = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [breaking.url, breaking.url.replace('127.0.0.1', 'localhost')], upstream: { retryBudget: 1, passiveHealth: false } })
  const responses = Array.from({ length: 6 }, () => send(gateway))
  const wires = await Promise.all(responses.map(() => breaking.next()))
  for (const wire of wires) await wire.head()
  for (const wire of wires) wire.reset()
  for (const wire of await Promise.all(responses.map(() => breaking.next()))) {
    await wire.head()
    wire.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  }
  t.same((await Promise.all(responses)).map(({ statusCode }) => statusCode), Array(6).fill(200))
})

t.test('a connection that cannot be made is no retry of the budget', async t => {
  const port = await refusingPort()
  const good = await httpBackend(t, (_request, response) => { response.end() })
  const gateway = await startGateway(t, { targets: [`http://127.0.0.1:${port}`, good.url], upstream: { retryBudget: 0, balance: 'first', passiveHealth: false } })
  const responses = await Promise.all(Array.from({ length: 20 }, () => send(gateway)))
  t.same(responses.map(({ statusCode }) => statusCode), Array(20).fill(200))
})

t.test('an attempt that takes too long is given up for another target', async t => {
  const slow = await silent(t)
  const good = await httpBackend(t, (_request, response) => { response.end('good') })
  const gateway = await startGateway(t, { targets: [slow.url, good.url], upstream: { attemptTimeout: 30, balance: 'first', passiveHealth: { failures: 1 } } })
  t.equal((await send(gateway)).statusCode, 200)
  t.equal(slow.seen, 1)
  t.match(gateway.log.find(({ msg }) => msg === 'retry'), { err: { code: 'SLUICE_ATTEMPT_TIMEOUT' }, attempt: 2 })
  t.match(gateway.app.gateway.upstreams.get('main')!.targets[0], { health: 'ejected', reason: /no response within 30 ms/ })
})

t.test('what cannot be sent again, or has nowhere to go, is not given up', async t => {
  const responses: Array<() => void> = []
  const slow = await httpBackend(t, (request, response) => { request.resume().on('end', () => responses.push(() => response.end('late'))) })
  const other = await silent(t)
  const gateway = await startGateway(t, { targets: [slow.url, other.url], upstream: { attemptTimeout: 10, balance: 'first' } })
  const posted = send(gateway, 'POST', 'body')
  while (responses.length < 1) await new Promise(setImmediate)
  const alone = await startGateway(t, { targets: [slow.url], upstream: { attemptTimeout: 10 } })
  const single = send(alone)
  while (responses.length < 2) await new Promise(setImmediate)
  const none = await startGateway(t, { targets: [slow.url, other.url], upstream: { attemptTimeout: 10, balance: 'first', retries: 0 } })
  const unretried = send(none)
  while (responses.length < 3) await new Promise(setImmediate)
  await anotherGivenUp(t)
  for (const respond of responses) respond()
  for (const response of [posted, single, unretried]) t.equal((await response).statusCode, 200)
  t.equal(other.seen, 0)
})

t.test('a response that has begun is not given up', async t => {
  let finish!: () => void
  const slow = await httpBackend(t, (_request, response) => {
    response.write('begun')
    finish = () => response.end()
  })
  const gateway = await startGateway(t, { targets: [slow.url, slow.url.replace('127.0.0.1', 'localhost')], upstream: { attemptTimeout: 10 } })
  const response = await send(gateway)
  await anotherGivenUp(t)
  finish()
  await once(response, 'end')
  t.equal(response.complete, true)
})

t.test('a handshake is given up for another target', async t => {
  const slow = await rawTarget(t)
  const good = await echoBackend(t)
  const gateway = await startGateway(t, { targets: [slow.url, good.url], upstream: { attemptTimeout: 30, balance: 'first' } })
  const opening = openSocket(`http://127.0.0.1:${gateway.port}`)
  const wire = await slow.next()
  await wire.head()
  const socket = await opening
  await wire.over()
  t.match(gateway.log.find(({ msg }) => msg === 'retry'), { err: { code: 'SLUICE_ATTEMPT_TIMEOUT' } })
  t.match(load(gateway), { sessions: 1, handshakes: 0, retries: 0 })
  const end = closed(socket)
  socket.close()
  await end
})

t.test('the last attempt of a handshake has the whole of its time', async t => {
  const slow = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [slow.url], upstream: { attemptTimeout: 10 } })
  const opening = openSocket(`http://127.0.0.1:${gateway.port}`)
  const wire = await slow.next()
  const head = await wire.head()
  await anotherGivenUp(t)
  wire.write(goodResponse(head))
  const socket = await opening
  socket.terminate()
})

t.test('a client that leaves during a limited attempt ends it', async t => {
  const slow = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [slow.url, slow.url.replace('127.0.0.1', 'localhost')], upstream: { attemptTimeout: 60_000 } })
  const leaving = request({ port: gateway.port, agent: false, headers: { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' } }).end()
  leaving.on('error', () => {})
  const wire = await slow.next()
  await wire.head()
  leaving.destroy()
  await wire.over()
  await gateway.idle()
  t.match(load(gateway), { handshakes: 0 })
  t.equal(gateway.log.some(({ msg }) => msg === 'retry'), false)
})

t.test('with no other target left, a late error is that of the attempt', async t => {
  const [one, other] = [await silent(t), await silent(t)]
  const gateway = await startGateway(t, { targets: [one.url, other.url], upstream: { attemptTimeout: 20, headersTimeout: 60 } })
  t.equal((await send(gateway)).statusCode, 504)
  t.match(await refusal(`http://127.0.0.1:${(await startGateway(t, { targets: [one.url], upstream: { attemptTimeout: 20 }, route: { websocket: { handshakeTimeout: 60 } } })).port}`), { status: 504 })
})
