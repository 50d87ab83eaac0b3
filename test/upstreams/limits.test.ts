import { once } from 'node:events'
import { request, type ClientRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import type { UpstreamOptions } from '../../src/index.js'
import { createGateway } from '../../src/service/index.js'
import { echoBackend, httpBackend } from '../helpers/backends.js'
import { startGateway, type RunningGateway } from '../helpers/gateway.js'
import { rawTarget } from '../helpers/raw-target.js'
import { closed, openSocket, refusal } from '../helpers/sockets.js'

/** A backend that holds every request until it is let go. */
async function holding (t: Test) {
  const held: ServerResponse[] = []
  const waiting: Array<() => void> = []
  const { url } = await httpBackend(t, (_request, response) => {
    held.push(response)
    for (const resolve of waiting.splice(0)) resolve()
  })
  return {
    url,
    held,
    async has (count: number) { while (held.length < count) await new Promise<void>(resolve => waiting.push(resolve)) },
    release (count = held.length) { for (const response of held.splice(0, count)) response.end('held') }
  }
}

/** A request on a connection of its own, and its response to come. */
function begin ({ port }: { port: number }, path = '/'): { outgoing: ClientRequest, response: Promise<IncomingMessage> } {
  const outgoing = request({ port, path, agent: false }).end()
  const response = once(outgoing, 'response').then(([response]: IncomingMessage[]) => response!.resume())
  response.catch(() => {})
  return { outgoing, response }
}

const control = ({ app }: RunningGateway) => app.gateway.upstreams.get('main')!

/** Resolves when so many wait: the gateway reads requests in its own time. */
async function waiting (gateway: RunningGateway, count: number): Promise<void> {
  while (control(gateway).load.waiting !== count) await new Promise(setImmediate)
}

t.test('a target with maxRequests gets no more, and those that wait go on in their order', async t => {
  const target = await holding(t)
  const gateway = await startGateway(t, { targets: [target.url], upstream: { maxRequests: 2 } })
  const order: number[] = []
  const sent = []
  for (let index = 0; index < 5; index++) {
    const { response } = begin(gateway, `/${index}`)
    sent.push(response.then(() => order.push(index)))
    if (index < 2) await target.has(index + 1)
    else await waiting(gateway, index - 1)
  }
  t.match(control(gateway).targets[0], { requests: 2 })
  t.match(control(gateway).load, { requests: 2, waiting: 3 })
  for (let count = 1; count <= 5; count++) {
    await target.has(1)
    target.release(1)
    while (order.length < count) await new Promise(setImmediate)
  }
  t.same(order, [0, 1, 2, 3, 4])
  await gateway.idle()
  t.match(control(gateway).load, { requests: 0, waiting: 0, handshakes: 0, sessions: 0, retries: 0 })
})

t.test('a target that is full is left for another', async t => {
  const [one, other] = [await holding(t), await holding(t)]
  const gateway = await startGateway(t, { targets: [one.url, other.url], upstream: { maxRequests: 1, balance: 'first' } })
  const responses = [begin(gateway).response, begin(gateway).response]
  await Promise.all([one.has(1), other.has(1)])
  t.same(control(gateway).targets.map(({ requests }) => requests), [1, 1])
  one.release()
  other.release()
  for (const response of responses) t.equal((await response).statusCode, 200)
})

t.test('the total is that of all targets', async t => {
  const [one, other] = [await holding(t), await holding(t)]
  const gateway = await startGateway(t, { targets: [one.url, other.url], upstream: { total: { maxRequests: 1 } } })
  const first = begin(gateway).response
  await Promise.race([one.has(1), other.has(1)])
  const second = begin(gateway).response
  await waiting(gateway, 1)
  t.equal(one.held.length + other.held.length, 1)
  one.release()
  other.release()
  await first
  await Promise.race([one.has(1), other.has(1)])
  one.release()
  other.release()
  t.equal((await second).statusCode, 200)
})

t.test('a full queue, and a wait that is too long, are 503 with Retry-After', async t => {
  const target = await holding(t)
  const gateway = await startGateway(t, { targets: [target.url], upstream: { maxRequests: 1, maxSessions: 1, maxQueue: 1, queueTimeout: 50 } })
  const first = begin(gateway).response
  await target.has(1)
  const second = begin(gateway).response
  await waiting(gateway, 1)
  const third = await begin(gateway).response
  t.match(third, { statusCode: 503, headers: { 'retry-after': '1' } })
  t.match(await second, { statusCode: 503, headers: { 'retry-after': '1' } })
  const errors = gateway.log.filter(({ err }) => err !== undefined).map(({ err }) => err as { code: string, stack: string })
  t.match(errors.map(({ code }) => code), ['SLUICE_TARGET_BUSY', 'SLUICE_TARGET_BUSY'])
  t.match(errors[0]!.stack, /1 others wait for one/)
  t.match(errors[1]!.stack, /no place became free within 50 ms/)
  target.release()
  t.equal((await first).statusCode, 200)
})

t.test('a client that leaves waits no longer', async t => {
  const target = await holding(t)
  const gateway = await startGateway(t, { targets: [target.url], upstream: { maxRequests: 1 } })
  const first = begin(gateway).response
  await target.has(1)
  const leaving = begin(gateway)
  await waiting(gateway, 1)
  const staying = begin(gateway).response
  await waiting(gateway, 2)
  leaving.outgoing.destroy()
  await waiting(gateway, 1)
  target.release()
  await first
  await target.has(1)
  target.release()
  t.equal((await staying).statusCode, 200)
  t.equal(control(gateway).load.requests, 0)
})

t.test('somebody who can be served does not wait behind a sticky client who cannot', async t => {
  const [one, other] = [await holding(t), await holding(t)]
  const gateway = await startGateway(t, { targets: [one.url, other.url], upstream: { maxRequests: 1, sticky: true, balance: 'first' } })
  const known = begin(gateway)
  await one.has(1)
  one.release()
  const cookie = (await known.response).headers['set-cookie']![0]!.split(';')[0]!
  const holder = begin(gateway).response
  await one.has(1)
  const sticky = once(request({ port: gateway.port, agent: false, headers: { cookie } }).end(), 'response')
  await waiting(gateway, 1)
  const anybody = begin(gateway).response
  await other.has(1)
  other.release()
  t.equal((await anybody).statusCode, 200)
  one.release()
  await holder
  await one.has(1)
  one.release()
  t.equal((await sticky)[0].statusCode, 200)
})

t.test('a body waits with its request', async t => {
  const first = await holding(t)
  const second = await echoBackend(t)
  const gateway = await startGateway(t, { targets: [first.url], upstream: { maxRequests: 1 } })
  const holder = begin(gateway).response
  await first.has(1)
  const body = 'x'.repeat(300_000)
  const posted = fetch(`http://127.0.0.1:${gateway.port}`, { method: 'POST', body })
  await waiting(gateway, 1)
  control(gateway).setTargets([second.url])
  t.equal((await (await posted).json() as { body: string }).body.length, body.length, 'new targets have room at once')
  first.release()
  await holder
})

t.test('a target that comes back, or is set to ready, serves those that wait', async t => {
  const [one, other] = [await holding(t), await holding(t)]
  const gateway = await startGateway(t, { targets: [one.url, other.url], upstream: { maxRequests: 1, balance: 'first' } })
  control(gateway).setTarget(other.url, { state: 'drain' })
  const first = begin(gateway).response
  await one.has(1)
  const second = begin(gateway).response
  await waiting(gateway, 1)
  control(gateway).setTarget(other.url, { state: 'ready' })
  await other.has(1)
  one.release()
  other.release()
  for (const response of [first, second]) t.equal((await response).statusCode, 200)
})

t.test('sessions and handshakes have limits of their own', async t => {
  const [one, other] = [await echoBackend(t), await echoBackend(t)]
  const gateway = await startGateway(t, { targets: [one.url, other.url], upstream: { maxSessions: 1, maxRequests: 1, maxQueue: 5, queueTimeout: 5_000 } })
  const address = `http://127.0.0.1:${gateway.port}`
  const first = await openSocket(address)
  const second = await openSocket(address)
  t.same(control(gateway).targets.map(({ sessions }) => sessions), [1, 1])
  const third = openSocket(address)
  await waiting(gateway, 1)
  t.equal((await fetch(address)).status, 200, 'requests have room')
  first.close()
  const opened = await third
  t.equal(one.sockets.clients.size + other.sockets.clients.size >= 2, true)
  t.match(control(gateway).load, { sessions: 2, waiting: 0 })
  const ends = [closed(second), closed(opened)]
  second.close()
  opened.close()
  await Promise.all(ends)
  await gateway.ended(3)
  t.match(control(gateway).load, { sessions: 0, handshakes: 0 })
})

t.test('a handshake that waits in vain, or leaves', async t => {
  const target = await echoBackend(t)
  const gateway = await startGateway(t, { targets: [target.url], upstream: { total: { maxSessions: 1 }, queueTimeout: 30 } })
  const address = `http://127.0.0.1:${gateway.port}`
  await openSocket(address)
  t.match(await refusal(address), { status: 503, headers: { 'retry-after': /\d/ }, body: /SLUICE_TARGET_BUSY/ })
  const patient = await startGateway(t, { targets: [target.url], upstream: { total: { maxSessions: 1 } } })
  await openSocket(`http://127.0.0.1:${patient.port}`)
  const leaving = request({ port: patient.port, agent: false, headers: { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' } }).end()
  leaving.on('error', () => {})
  await waiting(patient, 1)
  leaving.destroy()
  await waiting(patient, 0)
  t.match(control(patient).load, { sessions: 1, handshakes: 0 })
})

t.test('a retry waits for a place, too', async t => {
  const refusing = await rawTarget(t)
  const other = await holding(t)
  const gateway = await startGateway(t, { targets: [refusing.url, other.url], upstream: { maxRequests: 1, balance: 'first', passiveHealth: false } })
  const first = begin(gateway).response
  const wire = await refusing.next()
  await wire.head()
  const second = begin(gateway).response
  await other.has(1)
  wire.reset()
  await waiting(gateway, 1)
  other.release()
  await second
  await other.has(1)
  other.release()
  t.equal((await first).statusCode, 200)
})

t.test('sticky clients wait for their own target, and hold up no others', async t => {
  const [one, other] = [await holding(t), await holding(t)]
  const gateway = await startGateway(t, { targets: [one.url, other.url], upstream: { maxRequests: 1, sticky: true, balance: 'first' } })
  const known = begin(gateway)
  await one.has(1)
  one.release()
  const [cookie] = (await known.response).headers['set-cookie']!
  await once(known.outgoing, 'close')
  const send = (headers = {}) => once(request({ port: gateway.port, agent: false, headers }).end(), 'response') as Promise<[IncomingMessage]>
  const holder = send()
  await one.has(1)
  const second = send()
  await other.has(1)
  const sticky = send({ cookie: cookie!.split(';')[0]! })
  await waiting(gateway, 1)
  const anybody = send()
  await waiting(gateway, 2)
  other.release()
  await second
  await other.has(1)
  t.equal(control(gateway).load.waiting, 1, 'the one behind it has gone on')
  one.release()
  await holder
  await one.has(1)
  one.release()
  other.release()
  t.equal((await sticky)[0].headers['set-cookie'], undefined)
  t.equal((await anybody)[0].statusCode, 200)
})

t.test('what is under way counts across a reload', async t => {
  const target = await echoBackend(t)
  const config = (upstream: Partial<UpstreamOptions> = {}) => ({
    listen: { port: 0 }, upstreams: { main: { targets: [target.url], total: { maxSessions: 1 }, queueTimeout: 20, ...upstream } as never }, routes: [{ url: '/*', upstream: 'main', websocket: true }]
  })
  const gateway = createGateway(config(), { logger: false })
  t.teardown(() => gateway.close())
  const address = await gateway.listen()
  const socket = await openSocket(address)
  await gateway.reload(config())
  t.equal((await refusal(address)).status, 503)
  t.match(gateway.upstreams.get('main')!.load, { sessions: 1 })
  socket.terminate()
  while (gateway.upstreams.get('main')!.load.sessions > 0) await new Promise(setImmediate)
  await openSocket(address)
})

/** Ends when the client of a request on `/leaving` has left. */
async function untilLeft ({ url }: FastifyRequest): Promise<void> {
  if (url === '/leaving') await leaving.promise
}
let leaving = { promise: Promise.resolve(), left: () => {} }

for (const [name, route] of Object.entries({
  onRequest: { onRequest: untilLeft },
  preHandler: { preHandler: untilLeft },
  'the upstream function': {
    upstream: async (request: FastifyRequest) => {
      await untilLeft(request)
      return 'main'
    }
  }
})) {
  t.test(`clients that leave during ${name} take no place`, async t => {
    const target = await echoBackend(t)
    const gateway = await startGateway(t, { targets: [target.url], upstream: { maxRequests: 2, maxSessions: 2, queueTimeout: 500 }, route: route as never, plugin: { accessLog: true } })
    const get = 'GET /leaving HTTP/1.1\r\nHost: x\r\n\r\n'
    const upgrade = 'GET /leaving HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
    const post = 'POST /leaving HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc'
    for (const [bytes, requests] of [[get, 1], [get + get + get, 3], [post, 1], [upgrade, 1]] as const) {
      for (const leave of ['destroy', 'resetAndDestroy'] as const) {
        let seen = 0
        const all = new Promise<void>(resolve => {
          const onRequest = (): void => { if (++seen === (bytes === upgrade ? 1 : requests)) resolve() }
          gateway.app.server.on(bytes === upgrade ? 'upgrade' : 'request', onRequest)
          t.teardown(() => { gateway.app.server.off('request', onRequest).off('upgrade', onRequest) })
        })
        const promise = new Promise<void>(resolve => { leaving.left = resolve })
        leaving = { ...leaving, promise }
        const socket = connect(gateway.port, '127.0.0.1')
        socket.on('error', () => {}).write(bytes)
        await all
        const closed = once(socket, 'close')
        socket[leave]()
        await closed
        // By the time of this response, the gateway has heard of it.
        await begin(gateway, '/other').response
        leaving.left()
        await begin(gateway, '/other').response
      }
    }
    await gateway.idle()
    // Behind theirs, a request goes through the same hooks.
    for (let count = 0; count < 3; count++) t.equal((await fetch(`http://127.0.0.1:${gateway.port}`)).status, 200)
    t.match(control(gateway).load, { requests: 0, handshakes: 0, sessions: 0, waiting: 0 })
    await openSocket(`http://127.0.0.1:${gateway.port}`)
    await openSocket(`http://127.0.0.1:${gateway.port}`)
  })
}

t.test('a function of the app that throws while somebody waits concerns nobody else', async t => {
  const target = await holding(t)
  const other = await holding(t)
  const hash = ({ url }: { url: string }): string => {
    if (url === '/bad') throw new Error('no key')
    return url
  }
  const gateway = await startGateway(t, { targets: [target.url, other.url], upstream: { total: { maxRequests: 1 }, balance: { hash: hash as never } } })
  const first = begin(gateway, '/ok').response
  await Promise.race([target.has(1), other.has(1)])
  const bad = begin(gateway, '/bad').response
  await waiting(gateway, 1)
  const last = begin(gateway, '/ok3').response
  await waiting(gateway, 2)
  const release = (): void => { target.release(); other.release() }
  release()
  t.equal((await first).statusCode, 200)
  t.equal((await bad).statusCode, 502)
  await Promise.race([target.has(1), other.has(1)])
  release()
  t.equal((await last).statusCode, 200)
})

t.test('a retry has the place of the attempt that has failed', async t => {
  const breaking = await rawTarget(t)
  const other = await holding(t)
  const gateway = await startGateway(t, { targets: [breaking.url, other.url], upstream: { total: { maxRequests: 1 }, balance: 'first', passiveHealth: false } })
  const response = begin(gateway).response
  const wire = await breaking.next()
  await wire.head()
  wire.reset()
  await other.has(1)
  other.release()
  t.equal((await response).statusCode, 200)
})

t.test('a request that is sent again to the same target keeps its place', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], upstream: { maxRequests: 1, passiveHealth: false } })
  const ok = 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'
  const first = begin(gateway).response
  const wire = await target.next()
  await wire.head()
  const second = begin(gateway).response
  await waiting(gateway, 1)
  wire.reset()
  const again = await target.next()
  await again.head()
  t.match(control(gateway).load, { requests: 1, waiting: 1, retries: 1 })
  again.write(ok)
  t.equal((await first).statusCode, 200)
  const last = await target.next()
  await last.head()
  last.write(ok)
  t.equal((await second).statusCode, 200)
})

t.test('those that wait for a target that is gone do so no longer', async t => {
  const [one, other] = [await holding(t), await holding(t)]
  const gateway = await startGateway(t, { targets: [one.url], upstream: { maxRequests: 1, sticky: true } })
  const known = begin(gateway)
  await one.has(1)
  one.release()
  const cookie = (await known.response).headers['set-cookie']![0]!.split(';')[0]!
  const holder = begin(gateway).response
  await one.has(1)
  const sticky = once(request({ port: gateway.port, agent: false, headers: { cookie } }).end(), 'response')
  await waiting(gateway, 1)
  control(gateway).setTargets([other.url])
  await other.has(1)
  const next = begin(gateway).response
  await waiting(gateway, 1)
  control(gateway).setTarget(other.url, { state: 'drain' })
  t.equal((await next).statusCode, 503, 'at once, where none is left')
  one.release()
  other.release()
  t.equal((await holder).statusCode, 200)
  t.equal((await sticky)[0].statusCode, 200)
})

t.test('waiting for a connection of its own pool ejects no target', async t => {
  const target = await holding(t)
  const other = await echoBackend(t)
  const gateway = await startGateway(t, { targets: [target.url, other.url], upstream: { maxConnections: 1, attemptTimeout: 20, balance: 'first', passiveHealth: { failures: 1 } } })
  const posted = request({ port: gateway.port, method: 'POST', agent: false }).end('x')
  await target.has(1)
  t.equal((await begin(gateway).response).statusCode, 200)
  t.same(control(gateway).targets.map(({ health }) => health), ['healthy', 'healthy'])
  const done = once(posted, 'response')
  target.release()
  await done
})
