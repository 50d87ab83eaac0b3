import { once } from 'node:events'
import { connect, constants, createServer, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import { connect as connectTcp, type AddressInfo, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import sluice from '../../src/index.js'
import { selfSigned } from '../helpers/certificates.js'
import { rawTarget, type RawTarget } from '../helpers/raw-target.js'

/*
 * Issue 8, item 17: endings on servers of HTTP/2, whose proxied routes refuse what comes over it.
 */

const certificate = await selfSigned(t, 'IP:127.0.0.1')
const { key, cert } = certificate

const kinds: Record<string, FastifyServerOptions & { secure: boolean }> = {
  'HTTP/2': { http2: true, https: { key, cert }, secure: true } as never,
  'HTTP/2 that allows HTTP/1.1': { http2: true, https: { key, cert, allowHTTP1: true }, secure: true } as never,
  h2c: { http2: true, secure: false } as never,
  'h2c of a serverFactory': { serverFactory: handler => createServer(handler as never) as never, secure: false }
}

interface Running {
  app: FastifyInstance
  target: RawTarget
  open (): Promise<ClientHttp2Session>
  /** Whether the app serves its own route, and refuses a proxied one. */
  checkAlive (): Promise<void>
}

/** What a session goes over; its own is not to be touched. */
const sockets = new WeakMap<ClientHttp2Session, Socket>()

async function start (t: Test, { secure, ...options }: FastifyServerOptions & { secure: boolean }): Promise<Running> {
  const target = await rawTarget(t)
  const app = Fastify(options) as unknown as FastifyInstance
  t.teardown(() => app.close())
  await app.register(sluice, { drainTimeout: 500 })
  app.get('/own', async () => 'own')
  app.get('/never', () => new Promise(() => {}))
  app.get('/endless', async (_request, reply) => { reply.hijack().raw.write('begun') })
  app.proxy('/*', { upstream: target.url, websocket: true })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const open = async (): Promise<ClientHttp2Session> => {
    const to = { port: (app.server.address() as AddressInfo).port, host: '127.0.0.1' }
    const socket = secure ? connectTls({ ...to, rejectUnauthorized: false, ALPNProtocols: ['h2'] }) : connectTcp(to)
    const session = connect(`${secure ? 'https' : 'http'}://127.0.0.1`, { createConnection: () => socket })
    sockets.set(session, socket)
    t.teardown(() => session.destroy())
    session.on('error', () => {})
    await once(session, 'remoteSettings')
    return session
  }
  const checkAlive = async (): Promise<void> => {
    const session = await open()
    t.equal(await status(session.request({ ':path': '/own' })), 200)
    t.equal(await status(session.request({ ':path': '/proxied' })), 505)
    t.equal(target.connections, 0, 'nothing reaches the target')
    session.close()
    await once(session, 'close')
  }
  return { app, target, open, checkAlive }
}

async function status (stream: ClientHttp2Stream): Promise<unknown> {
  const [headers] = await once(stream, 'response') as [{ ':status': number }]
  stream.resume()
  return headers[':status']
}

for (const [kind, options] of Object.entries(kinds)) {
  t.test(kind, async t => {
    const running = await start(t, options)
    const { app, open, checkAlive } = running

    t.test('a stream that is reset in mid-response', async () => {
      const session = await open()
      const stream = session.request({ ':path': '/endless' })
      await once(stream, 'data')
      stream.close(constants.NGHTTP2_CANCEL)
      await once(stream, 'close')
      await checkAlive()
    })

    t.test('an upload to a proxied route that is reset while it is refused', async () => {
      const session = await open()
      const stream = session.request({ ':path': '/x', ':method': 'POST' })
      stream.on('error', () => {})
      stream.write('partial')
      t.equal(await status(stream), 505)
      stream.close(constants.NGHTTP2_INTERNAL_ERROR)
      await checkAlive()
    })

    for (const [name, leave] of Object.entries<(session: ClientHttp2Session) => void>({
      'is destroyed': session => session.destroy(),
      'goes away with an error': session => session.destroy(undefined, constants.NGHTTP2_PROTOCOL_ERROR),
      'is cut': session => sockets.get(session)!.destroy()
    })) {
      t.test(`a session that ${name}, with streams under way`, async () => {
        const session = await open()
        for (const path of ['/endless', '/never', '/x']) session.request({ ':path': path }).on('error', () => {})
        const begun = session.request({ ':path': '/endless' })
        begun.on('error', () => {})
        await once(begun, 'data')
        leave(session)
        await checkAlive()
      })
    }

    t.test('a WebSocket over HTTP/2 (RFC 8441), which is not spoken', async t => {
      const session = await open()
      const stream = session.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':path': '/ws', ':authority': 'a', 'sec-websocket-version': '13' })
      await t.rejects(status(stream), 'refused')
      await checkAlive()
    })

    t.test('close by code and a drain, without sessions', async t => {
      t.equal(app.gateway.sessions.close(4000), 0)
      await app.gateway.drain()
      await checkAlive()
    })

    t.test('app.close() with idle sessions, and with a stream that is never answered', async t => {
      const idle = await open()
      const used = await open()
      t.equal(await status(used.request({ ':path': '/own' })), 200)
      const stuck = await open()
      stuck.request({ ':path': '/never' }).on('error', () => {})
      await once(app.server, 'stream')
      const ends = [idle, used, stuck].map(session => once(session, 'close'))
      await app.close()
      await Promise.all(ends)
    })
  })
}
