import t from 'tap'
import type { FastifyInstance } from 'fastify'
import { openSession, startGateway } from '../../helpers/gateway.js'
import { ACCEPT, KEY, exchange, handshake } from '../../helpers/raw-client.js'
import { goodResponse, rawTarget, refusingPort } from '../../helpers/raw-target.js'
import { Wire, masked, valuesOf } from '../../helpers/wire.js'

const CLIENTS_OWN = {
  'X-Forwarded-For': '6.6.6.6',
  'X-Forwarded-Host': 'evil.test',
  'X-Forwarded-Proto': 'https',
  'X-Forwarded-Port': '666',
  'X-Forwarded-Prefix': '/evil',
  Forwarded: 'for=6.6.6.6',
  'X-Real-IP': '6.6.6.6'
}

t.test('what the target sees: end-to-end headers as they came, in order and case; the hop regenerated', async t => {
  const { request, client } = await openSession(t, {
    headers: {
      HOST: 'Gateway.Test:81',
      Host: '',
      Connection: 'keep-alive, Upgrade, X-Nominated, Authorization',
      'X-Nominated': 'gone',
      Authorization: 'Bearer kept',
      ORIGIN: 'https://origin.test',
      Cookie: 'a=1; b=2',
      'Sec-WebSocket-Protocol': 'chat, superchat',
      'sec-websocket-EXTENSIONS': 'permessage-deflate; client_max_window_bits, x-other;a="b"',
      'Keep-Alive': 'timeout=5',
      'Proxy-Authorization': 'Basic x',
      'Proxy-Connection': 'keep-alive',
      TE: 'trailers',
      Trailer: 'X-T',
      Expect: '100-continue',
      'X-Custom': 'ünïcode'
    },
    answer: ['Sec-WebSocket-Protocol: superchat']
  })
  t.equal(request.start, 'GET /ws HTTP/1.1')
  t.same(request.headers.filter(([name]) => !/^X-(?:Forwarded|Request-Id)/.test(name)), [
    ['Sec-WebSocket-Version', '13'],
    ['Sec-WebSocket-Key', KEY],
    ['HOST', 'Gateway.Test:81'],
    ['Authorization', 'Bearer kept'],
    ['ORIGIN', 'https://origin.test'],
    ['Cookie', 'a=1; b=2'],
    ['Sec-WebSocket-Protocol', 'chat, superchat'],
    ['sec-websocket-EXTENSIONS', 'permessage-deflate; client_max_window_bits, x-other;a="b"'],
    ['X-Custom', 'ünïcode'],
    ['Connection', 'Upgrade'],
    ['Upgrade', 'websocket']
  ])
  client.reset()
})

t.test('repeated headers stay repeated', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url] })
  const client = await Wire.connect(t, gateway.port)
  client.write(handshake({ lines: ['Sec-WebSocket-Protocol: a', 'X-Twice: 1', 'Cookie: a=1', 'Sec-WebSocket-Protocol: b', 'X-Twice: 2', 'Cookie: b=2'] }))
  const seen = await (await target.next()).head()
  t.same(valuesOf(seen, 'sec-websocket-protocol'), ['a', 'b'])
  t.same(valuesOf(seen, 'x-twice'), ['1', '2'])
  t.same(valuesOf(seen, 'cookie'), ['a=1', 'b=2'])
})

t.test('X-Forwarded-* come from the connection; what a client claims is not believed', async t => {
  const { request, gateway } = await openSession(t, { headers: CLIENTS_OWN })
  t.same(valuesOf(request, 'x-forwarded-for'), ['127.0.0.1'])
  t.same(valuesOf(request, 'x-forwarded-host'), ['gateway.test'])
  t.same(valuesOf(request, 'x-forwarded-proto'), ['http'])
  t.same(valuesOf(request, 'x-forwarded-port'), [String(gateway.port)])
  t.notMatch(JSON.stringify(request), /6\.6\.6\.6|evil|666/)
})

t.test('with trustProxy a client is believed', async t => {
  const { request } = await openSession(t, { headers: CLIENTS_OWN, fastify: { trustProxy: true } })
  t.same(valuesOf(request, 'x-forwarded-for'), ['6.6.6.6, 127.0.0.1'])
  t.same(valuesOf(request, 'x-forwarded-host'), ['evil.test'])
  t.same(valuesOf(request, 'x-forwarded-proto'), ['https'])
  t.same(valuesOf(request, 'x-forwarded-port'), ['666'])
})

t.test('stripPrefix holds, and the query passes', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], setup: app => { app.proxy('/api/*', { upstream: 'main', stripPrefix: '/api', websocket: true }) } })
  const client = await Wire.connect(t, gateway.port)
  client.write(handshake({ path: '/api/a%20b?c=%2f&d' }))
  t.equal((await (await target.next()).head()).start, 'GET /a%20b?c=%2f&d HTTP/1.1')
})

t.test('what the client sees: the 101 of the target, in order and case, with its reason', async t => {
  const target = await rawTarget(t)
  const setup = (app: FastifyInstance) => {
    app.addHook('onRequest', async (_request, reply) => { reply.header('x-hook', 'of the hook').header('set-cookie', 'hook=1').header('x-both', 'hook') })
  }
  const gateway = await startGateway(t, { targets: [target.url], setup })
  const client = await Wire.connect(t, gateway.port)
  client.write(handshake({ headers: { 'Sec-WebSocket-Protocol': 'a, b' } }))
  const server = await target.next()
  const text = goodResponse(await server.head(), ['SET-Cookie: one=1; Path=/', 'X-Custom: Käse', 'Set-Cookie: two=2', 'Sec-WebSocket-Protocol: b', 'X-both: target', 'Keep-Alive: timeout=5', 'Proxy-Authenticate: x', 'Set-cookie: three=3'])
  server.write(text.replace('Switching Protocols', 'Web Socket Protocol Handshake'))
  const answer = await client.head()
  t.equal(answer.start, 'HTTP/1.1 101 Web Socket Protocol Handshake')
  t.same(answer.headers, [
    ['Upgrade', 'websocket'],
    ['Connection', 'Upgrade'],
    ['Sec-WebSocket-Accept', ACCEPT],
    ['SET-Cookie', 'one=1; Path=/'],
    ['X-Custom', 'Käse'],
    ['Set-Cookie', 'two=2'],
    ['Sec-WebSocket-Protocol', 'b'],
    ['X-both', 'target'],
    ['Set-cookie', 'three=3'],
    ['x-hook', 'of the hook'],
    ['set-cookie', 'hook=1']
  ])
})

t.test('a header that a hook has set badly is 500, and the target is let go', async t => {
  const target = await rawTarget(t)
  const setup = (app: FastifyInstance) => { app.addHook('onRequest', async (_request, reply) => { reply.header('x-hook', 'a\r\nInjected: 1') }) }
  const gateway = await startGateway(t, { targets: [target.url], setup })
  const client = await Wire.connect(t, gateway.port)
  client.write(handshake())
  const server = await target.next()
  server.write(goodResponse(await server.head()))
  t.notMatch(await client.rest(), /Injected| 101 /)
  client.end()
  await server.over()
  await gateway.idle()
  t.equal(gateway.app.gateway.sessions.size, 0)
})

t.test('a header function that throws is 500, and the target is let go', async t => {
  const fail = () => { throw new Error('secret') }
  for (const accept of [true, false]) {
    const target = await rawTarget(t)
    const gateway = await startGateway(t, { targets: [target.url], route: { headers: { response: { 'x-made': fail } } } })
    const answer = exchange(t, gateway.port, handshake())
    const server = await target.next()
    const request = await server.head()
    server.write(accept ? goodResponse(request) : 'HTTP/1.1 403 Forbidden\r\nContent-Length: 1000\r\n\r\nhalf')
    t.equal((await answer).status, 500)
    await server.over()
    await gateway.idle()
  }
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], route: { headers: { request: { 'x-made': fail } } } })
  t.equal((await exchange(t, gateway.port, handshake())).status, 500)
  t.equal(target.connections, 0)
})

t.test('nothing that the client sent behind its request reaches the target before the 101', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url] })
  const client = await Wire.connect(t, gateway.port)
  client.write(Buffer.concat([Buffer.from(handshake()), masked(0x81, 'one'), masked(0x81, 'two')])).write(masked(0x81, 'three'))
  const server = await target.next()
  const request = await server.head()
  client.write(masked(0x81, 'four'))
  // The client's bytes have reached the gateway by the time that it has answered another client.
  t.equal((await exchange(t, gateway.port, handshake({ headers: { 'Sec-WebSocket-Version': '12' } }))).status, 426)
  t.equal(server.length, 0)
  server.write(goodResponse(request))
  for (const text of ['one', 'two', 'three', 'four']) t.equal((await server.frame()).payload.toString(), text)
})

t.test('nor does it after a refusal', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url] })
  const client = await Wire.connect(t, gateway.port)
  client.write(`${handshake()}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n`)
  const server = await target.next()
  await server.head()
  server.write('HTTP/1.1 426 Upgrade Required\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n')
  t.match(await client.rest(), /^HTTP\/1.1 426 Upgrade Required\r\n/)
  await server.over()
  t.equal(server.length, 0)
  t.equal(target.connections, 1)
})

for (const stage of ['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const) {
  t.test(`an ${stage} hook can refuse; the target is never dialled`, async t => {
    const target = await rawTarget(t)
    const setup = (app: FastifyInstance) => {
      app.addHook(stage as 'onRequest', async (request, reply) => {
        if (request.headers.authorization === undefined) return reply.code(401).header('www-authenticate', 'Basic').send({ no: 'entry' })
      })
    }
    const gateway = await startGateway(t, { targets: [target.url], setup })
    const answer = await exchange(t, gateway.port, handshake())
    t.equal(answer.status, 401)
    t.same(JSON.parse(answer.body), { no: 'entry' })
    t.same(valuesOf(answer, 'www-authenticate'), ['Basic'])
    await gateway.idle()
    t.equal(target.connections, 0)
    t.match((await openSession(t, { on: { gateway, target }, headers: { Authorization: 'x' } })).answer.start, / 101 /)
  })
}

t.test('schemas and the error handler of the scope hold', async t => {
  const target = await rawTarget(t)
  const setup = (app: FastifyInstance) => {
    app.setErrorHandler((error: Error & { statusCode?: number, code?: string }, _request, reply) => reply.code(error.statusCode ?? 500).send(`handled ${error.code}`))
  }
  const route = { schema: { querystring: { type: 'object', required: ['token'], properties: { token: { type: 'integer' } } }, headers: { type: 'object', required: ['x-tenant'] } } }
  const gateway = await startGateway(t, { targets: [target.url], setup, route })
  for (const [request, status, body] of [
    [handshake(), 400, 'handled FST_ERR_VALIDATION'],
    [handshake({ path: '/ws?token=x', headers: { 'X-Tenant': 'a' } }), 400, 'handled FST_ERR_VALIDATION'],
    [handshake({ path: '/ws?token=1', headers: { 'X-Tenant': 'a', 'Sec-WebSocket-Key': 'x' } }), 400, 'handled SLUICE_HANDSHAKE_INVALID']
  ] as const) {
    const answer = await exchange(t, gateway.port, request)
    t.equal(answer.status, status)
    t.equal(answer.body, body)
  }
  t.equal(target.connections, 0)
  const client = await Wire.connect(t, gateway.port)
  client.write(handshake({ path: '/ws?token=1', headers: { 'X-Tenant': 'a' } }))
  const server = await target.next()
  server.write(goodResponse(await server.head()))
  t.match((await client.head()).start, / 101 /)
})

t.test('onResponse hooks run once, behind the 101', async t => {
  let responses = 0
  const setup = (app: FastifyInstance) => { app.addHook('onResponse', async (_request, reply) => { if (reply.statusCode === 101) responses++ }) }
  const { client, server, gateway } = await openSession(t, { setup })
  t.equal(responses, 1)
  client.reset()
  await server.over()
  server.end()
  await gateway.ended()
  t.equal(responses, 1)
})

// Issue 8, item 16
t.test('a handshake is made to every other target while no connection can be made, and after a broken one as often as retries says', async t => {
  const refusing = async () => `http://127.0.0.1:${await refusingPort()}`
  for (const retries of [0, 1, 2]) {
    const good = await rawTarget(t)
    const reached = await startGateway(t, { targets: [await refusing(), await refusing(), await refusing(), good.url], upstream: { retries } })
    const client = await Wire.connect(t, reached.port)
    client.write(handshake())
    const server = await good.next()
    server.write(goodResponse(await server.head()))
    t.equal((await client.head()).start, 'HTTP/1.1 101 Switching Protocols')
    client.reset()

    const broken = [await rawTarget(t), await rawTarget(t)]
    const gateway = await startGateway(t, { targets: [broken[0]!.url, await refusing(), broken[1]!.url, good.url], upstream: { retries } })
    const other = await Wire.connect(t, gateway.port)
    other.write(handshake())
    const breaks = Math.min(retries + 1, 2)
    for (const target of broken.slice(0, breaks)) {
      const wire = await target.next()
      await wire.head()
      wire.reset()
    }
    if (retries < 2) {
      t.equal((await other.head()).start, 'HTTP/1.1 502 Bad Gateway')
    } else {
      const server = await good.next()
      server.write(goodResponse(await server.head()))
      t.equal((await other.head()).start, 'HTTP/1.1 101 Switching Protocols')
      other.reset()
    }
    t.same(broken.map(({ connections }) => connections), breaks === 2 ? [1, 1] : [1, 0])
  }
})
