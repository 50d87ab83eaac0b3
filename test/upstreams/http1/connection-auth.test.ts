import type { Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { httpBackend, type Backend } from '../../helpers/backends.js'
import { startGateway } from '../../helpers/gateway.js'
import { rawTarget } from '../../helpers/raw-target.js'
import { Wire, valuesOf } from '../../helpers/wire.js'

// Issue 8, item 21

const get = (path: string, authorization?: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n${authorization === undefined ? '' : `Authorization: ${authorization}\r\n`}\r\n`

/** A target whose users authenticate by connection, in three legs. */
function authenticating (t: Test, scheme: string): Promise<Backend> {
  const users = new WeakMap<Socket, string>()
  return httpBackend(t, ({ headers: { authorization }, socket }, response) => {
    if (authorization === `${scheme} 1`) users.set(socket, '')
    else if (authorization !== undefined && users.has(socket)) users.set(socket, authorization.slice(scheme.length + 1))
    const user = users.get(socket)
    if (user !== undefined && user !== '') return response.end(user)
    response.writeHead(401, { 'WWW-Authenticate': user === undefined ? scheme : `${scheme} 2`, 'Content-Length': 0 }).end()
  })
}

async function asks (client: Wire, request: string): Promise<string> {
  client.write(request)
  const head = await client.head()
  const length = Number(valuesOf(head, 'content-length')[0])
  return `${head.start.split(' ')[1]} ${(await client.bytes(length)).toString()}`.trim()
}

for (const scheme of ['NTLM', 'Negotiate']) {
  t.test(`${scheme} works through the gateway, and nobody else is let in by it`, async t => {
    const targets = [await authenticating(t, scheme), await authenticating(t, scheme)]
    const gateway = await startGateway(t, { targets: targets.map(({ url }) => url) })
    const [ann, bob] = [await Wire.connect(t, gateway.port), await Wire.connect(t, gateway.port)]
    for (const [client, name] of [[ann, 'ann'], [bob, 'bob']] as const) {
      t.equal(await asks(client, get('/')), '401')
      t.equal(await asks(client, get('/', `${scheme} 1`)), '401')
      t.equal(await asks(client, get('/', `${scheme} ${name}`)), `200 ${name}`)
    }
    for (let count = 0; count < 10; count++) {
      t.equal(await asks(ann, get('/')), '200 ann')
      t.equal(await asks(bob, get('/')), '200 bob')
      const stranger = await Wire.connect(t, gateway.port)
      t.equal(await asks(stranger, get('/')), '401', 'a client that has not said who it is')
    }
  })
}

t.test('a connection is bound from the first request that authenticates it, and ends with its client', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url] })
  const client = await Wire.connect(t, gateway.port)
  client.write(get('/', 'Negotiate abc'))
  const server = await target.next()
  await server.head()
  // It says nothing of the scheme.
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  await client.head()
  await nextTurn()
  const other = await Wire.connect(t, gateway.port)
  other.write(get('/'))
  const second = await target.next()
  await second.head()
  second.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  await other.head()
  client.reset()
  await server.over()
  t.equal(target.connections, 2)
})

t.test('nor does HEAD take a bound connection away', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url] })
  const client = await Wire.connect(t, gateway.port)
  client.write(get('/', 'NTLM abc').replace('GET', 'HEAD'))
  const server = await target.next()
  for (let count = 0; count < 3; count++) {
    await server.head()
    server.write('HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM\r\nContent-Length: 5\r\n\r\n')
    await client.head()
    client.write(get('/').replace('GET', 'HEAD'))
  }
  t.equal(target.connections, 1)
})

t.test('other schemes bind nothing', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url] })
  let server: Wire | undefined
  for (const authorization of ['Basic YTpi', 'Bearer ntlm', undefined]) {
    const client = await Wire.connect(t, gateway.port)
    client.write(get('/', authorization))
    server ??= await target.next()
    await server.head()
    server.write('HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n')
    await client.head()
    await nextTurn()
  }
  t.equal(target.connections, 1)
})

t.test('a connection that settles makes room, and not one that is bound to its client', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], upstream: { maxConnections: 2 } })
  const [ann, bob, carl] = [await Wire.connect(t, gateway.port), await Wire.connect(t, gateway.port), await Wire.connect(t, gateway.port)]
  const served = async (client: Wire, request: string, status: string, wire?: Wire): Promise<Wire> => {
    client.write(request)
    const server = wire ?? await target.next()
    await server.head()
    server.write(`HTTP/1.1 ${status}\r\n${status === '204' ? '' : 'Content-Length: 0\r\n'}\r\n`)
    t.match((await client.head()).start, status)
    return server
  }
  const bound = await served(ann, get('/', 'Negotiate abc'), '200')
  const settling = await served(bob, get('/'), '204')
  await served(carl, get('/'), '200')
  await settling.over()
  await served(ann, get('/'), '200', bound)
  t.equal(target.connections, 3)
})
