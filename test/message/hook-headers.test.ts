import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import type { GatewayOptions, ProxyRouteOptions } from '../../src/index.js'
import { hookHeaders } from '../../src/message/hook-headers.js'
import { startGateway, type GatewaySettings } from '../helpers/gateway.js'
import { HANDSHAKE } from '../helpers/raw-client.js'
import { goodResponse, rawTarget } from '../helpers/raw-target.js'
import { Wire, valuesOf, type Head } from '../helpers/wire.js'

// Issue 8, item 12: what a hook changes in request.headers reaches the target, for requests and for handshakes.

type Leg = 'request' | 'handshake'
type Hook = (request: FastifyRequest) => void

interface Case {
  /** Lines of the client, beside Host. */
  lines?: string[]
  hook: Hook
  route?: Partial<ProxyRouteOptions>
  fastify?: GatewaySettings['fastify']
  plugin?: GatewayOptions
}

/** The head that a target gets, and the status that the client does. Without a head, the status alone. */
async function through (t: Test, leg: Leg, { lines = [], hook, route, fastify, plugin }: Case): Promise<{ head: Head | undefined, status: number }> {
  const target = await rawTarget(t)
  const setup = (app: FastifyInstance): void => { app.addHook('preHandler', async request => { hook(request) }) }
  const gateway = await startGateway(t, { targets: [target.url], setup, ...route && { route }, ...fastify && { fastify }, ...plugin && { plugin } })
  const client = await Wire.connect(t, gateway.port)
  const own = leg === 'request' ? ['Host: gateway.test'] : Object.entries(HANDSHAKE).map(([name, value]) => `${name}: ${value}`)
  client.write(['GET /ws HTTP/1.1', ...own, ...lines, '', ''].join('\r\n'))
  const arrived = target.next().then(async server => {
    const head = await server.head()
    server.write(leg === 'request' ? 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n' : goodResponse(head))
    return head
  })
  arrived.catch(() => {})
  const { start } = await client.head()
  const status = Number(start.split(' ')[1])
  return { head: status === 200 || status === 101 ? await arrived : undefined, status }
}

/** The headers that stand before those of the gateway. */
function own ({ headers }: Head): string[] {
  return headers.slice(0, headers.findIndex(([name]) => name === 'X-Forwarded-For')).map(([name, value]) => `${name}: ${value}`)
}

for (const leg of ['request', 'handshake'] as const) {
  t.test(`headers that a hook adds, changes and deletes: ${leg}`, async t => {
    const { head } = await through(t, leg, {
      lines: ['X-Kept: 1', 'X-CHANGED: old', 'X-Gone: 1', 'X-Undefined: 1', 'Accept: a', 'x-kept-too: 2'],
      hook: ({ headers }) => {
        headers['x-changed'] = 'new'
        delete headers['x-gone']
        headers['x-undefined'] = undefined
        headers['x-added'] = 'yes'
        headers['X-Added-Too'] = 'yes'
        headers['x-several'] = ['a', 'b']
        headers['x-number'] = 7 as never
      }
    })
    t.strictSame(own(head!).filter(line => /^(x-|accept)/i.test(line)), ['X-Kept: 1', 'X-CHANGED: new', 'Accept: a', 'x-kept-too: 2',
      'x-added: yes', 'X-Added-Too: yes', 'x-several: a', 'x-several: b', 'x-number: 7'])
  })

  t.test(`headers that a hook leaves alone keep their order, case and repetitions: ${leg}`, async t => {
    const lines = ['X-B: 1', 'x-b: 2', 'Cookie: a=1', 'X-A: 1', 'cookie: b=2', '7: seven', 'Accept: x', 'ACCEPT: y', 'Set-Cookie: c', 'set-cookie: d', '__proto__: p', 'constructor: c']
    for (const hook of [() => {}, (request: FastifyRequest) => { request.headers['x-added'] = 'yes' }]) {
      const { head } = await through(t, leg, { lines, hook })
      t.strictSame(own(head!).filter(line => !/^(host|sec-|x-added)/i.test(line)), lines)
    }
  })

  t.test(`headers that a hook puts in the place of all, on either request: ${leg}`, async t => {
    const lines = ['X-Old: 1', 'X-Both: old']
    const replaced = await through(t, leg, { lines, hook: request => { request.headers = { 'x-new': '1', 'x-both': 'new', 'x-old': undefined } } })
    t.strictSame(own(replaced.head!).filter(line => /^x-/i.test(line)), ['X-Both: new', 'x-new: 1'])
    const raw = await through(t, leg, { lines, hook: ({ raw }) => { raw.headers['x-both'] = 'new'; delete raw.headers['x-old'] } })
    t.strictSame(own(raw.head!).filter(line => /^x-/i.test(line)), ['X-Both: new'])
    const whole = await through(t, leg, { lines, hook: ({ raw }) => { raw.headers = { 'x-new': '1', ...raw.headers.host !== undefined && { host: raw.headers.host } } } })
    t.strictSame(own(whole.head!).filter(line => /^x-/i.test(line)), ['x-new: 1'])
  })

  t.test(`a header of the same value in the place of the last: ${leg}`, async t => {
    const { head } = await through(t, leg, { lines: ['X-A: same'], hook: ({ headers }) => { delete headers['x-a']; headers['x-b'] = 'same' } })
    t.strictSame(own(head!).filter(line => /^x-/i.test(line)), ['x-b: same'])
  })

  t.test(`a client's own header, in another spelling or nominated in Connection, does not stand beside a hook's: ${leg}`, async t => {
    const { head } = await through(t, leg, {
      lines: ['X_User: root', 'x-user: root', 'X.Role: admin', 'Connection: x-user, X-Role'],
      hook: ({ headers }) => { headers['X-User'] = 'me'; headers['x-role'] = 'guest' }
    })
    t.strictSame(own(head!).filter(line => /^x/i.test(line)), ['x-user: me', 'x-role: guest'])
  })

  t.test(`headers.request of the route comes after the hook's: ${leg}`, async t => {
    const { head } = await through(t, leg, {
      hook: ({ headers }) => { headers['x-a'] = 'hook'; headers['x-b'] = 'hook'; headers['x-c'] = 'hook' },
      route: { headers: { request: { 'X-A': 'route', 'X-B': value => `${value}, route`, 'X-C': null } } }
    })
    t.strictSame(valuesOf(head!, 'x-a'), ['route'])
    t.strictSame(valuesOf(head!, 'x-b'), ['hook, route'])
    t.strictSame(valuesOf(head!, 'x-c'), [])
  })

  t.test(`a hook that changes host changes Host, and X-Forwarded-Host is the client's: ${leg}`, async t => {
    for (const hook of [(request: FastifyRequest) => { request.headers.host = 'other.test' }, (request: FastifyRequest) => { request.headers = { host: 'other.test' } }]) {
      const { head } = await through(t, leg, { hook })
      t.strictSame(valuesOf(head!, 'host'), ['other.test'])
      t.strictSame(valuesOf(head!, 'x-forwarded-host'), ['gateway.test'])
    }
  })

  t.test(`forwarding headers stay the gateway's: ${leg}`, async t => {
    const { head } = await through(t, leg, {
      hook: ({ headers }) => {
        for (const name of ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'forwarded', 'x-real-ip', 'x-request-id']) headers[name] = 'hook'
      }
    })
    t.notOk(head!.headers.some(([, value]) => value === 'hook'))
  })

  t.test(`a value or a name that no header may have is 500: ${leg}`, async t => {
    for (const [name, value] of [['x-a', 'a\r\nX-Evil: 1'], ['x-a', 'ö€'], ['x-a', {}], ['x-a', ['a', 'b\n']], ['x a', 'a'], ['', 'a']] as const) {
      const { status } = await through(t, leg, { hook: ({ headers }) => { headers[name] = value as string } })
      t.equal(status, 500, JSON.stringify([name, value]))
    }
  })
}

t.test('what frames a request, or makes a handshake what it is, stays as it came', async t => {
  const hook: Hook = ({ headers }) => {
    for (const name of ['content-length', 'transfer-encoding', 'connection', 'upgrade', 'sec-websocket-key', 'sec-websocket-version', 'sec-websocket-accept', 'expect', 'trailer', 'te', 'keep-alive']) headers[name] = '99'
  }
  for (const leg of ['request', 'handshake'] as const) {
    const changed = await through(t, leg, { hook: request => { request.headers['x-added'] = '1'; hook(request) } })
    const left = await through(t, leg, { hook: ({ headers }) => { headers['x-added'] = '1' } })
    const without = ({ headers }: Head) => headers.filter(([name]) => !/^(x-request-id|x-forwarded-port)$/i.test(name))
    t.strictSame(without(changed.head!), without(left.head!), leg)
  }
  const { head } = await through(t, 'handshake', { hook: ({ headers }) => { delete headers['sec-websocket-key']; delete headers['sec-websocket-version'] } })
  t.equal(valuesOf(head!, 'sec-websocket-key').length, 1)
})

t.test('without a change the headers as they came are passed on without a copy', async t => {
  const rawHeaders = ['Host', 'a', 'X-A', '1']
  const request = (headers: object): FastifyRequest => ({ raw: { rawHeaders } as unknown as IncomingMessage, headers }) as FastifyRequest
  t.equal(hookHeaders(request({ host: 'a', 'x-a': '1' })), rawHeaders)
  t.not(hookHeaders(request({ host: 'a', 'x-a': '2' })), rawHeaders)
  t.strictSame(hookHeaders(request({ host: 'a' })), ['Host', 'a'])
})
