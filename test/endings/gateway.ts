import { once } from 'node:events'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import sluice, { type SessionEnd } from '../../src/index.js'
import type { Certificate } from '../helpers/certificates.js'
import { listenOn, type ClientConnection, type Listener } from '../helpers/listeners.js'
import { rawTarget, type RawTarget } from '../helpers/raw-target.js'
import type { Wire } from '../helpers/wire.js'

/*
 * Issue 8, item 17: every kind of listener with every kind of ending. After each the process lives, and the next
 * request to the same app is served.
 */

export interface Endings {
  app: FastifyInstance
  target: RawTarget
  connect (): Promise<ClientConnection>
  /** The ends of the sessions that are over. */
  ends: SessionEnd[]
  /** Whether a request goes through. */
  checkAlive (): Promise<void>
}

/** Where the routes are: those under `/streamed` go through Fastify, since they have an onSend hook. */
export const ROUTES = { direct: '/direct', 'with an onSend hook': '/streamed' } as const

/** An app on a listener, whose target is in the hands of the test. */
export async function start (t: Test, listener: Listener, certificate: Certificate): Promise<Endings> {
  const target = await rawTarget(t)
  const ends: SessionEnd[] = []
  const app = Fastify(listener.options(certificate)) as unknown as FastifyInstance
  t.teardown(() => app.close())
  await app.register(sluice, { drainTimeout: 2_000 })
  app.upstream('main', { targets: [target.url] })
  const options = { upstream: 'main', websocket: { closeTimeout: 200, onSessionEnd: (_session: unknown, end: SessionEnd) => { ends.push(end) } } } as const
  app.proxy(`${ROUTES.direct}/*`, options)
  app.register(async scope => {
    scope.addHook('onSend', async (_request, _reply, payload) => payload)
    scope.proxy(`${ROUTES['with an onSend hook']}/*`, options)
  })
  const { connect } = await listenOn(t, app, listener)
  const checkAlive = async (): Promise<void> => {
    const { client } = await connect()
    client.write('GET /direct/alive HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    const server = await requestAt(target, '/direct/alive')
    server.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nalive').end()
    t.match(await client.rest(), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nalive$/, 'the next request is served')
    client.end()
    await client.gone()
    t.equal(app.gateway.sessions.size, 0)
  }
  return { app, target, connect, ends, checkAlive }
}

/** The target's connection with the next request, whose head has been read. A connection that asks for another path is an error. */
export async function requestAt (target: RawTarget, path: string): Promise<Wire> {
  const server = await target.next()
  const { start } = await server.head()
  if (start.split(' ')[1] !== path) throw new Error(`the target was asked for ${start}, not for ${path}`)
  return server
}

/** Waits for a stream's event, unless it has come before. */
export async function until (condition: () => boolean, emitter: NodeJS.EventEmitter, event: string): Promise<void> {
  while (!condition()) await once(emitter, event)
}
