import { EventEmitter, once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyListenOptions, type FastifyServerOptions } from 'fastify'
import sluice, { type GatewayOptions, type ProxyRouteOptions, type SessionEnd, type UpstreamOptions } from '../../src/index.js'
import type { Test as Tap } from 'tap'
import { handshake } from './raw-client.js'
import { goodResponse, rawTarget, type RawTarget } from './raw-target.js'
import { Wire, type Head, type Teardown } from './wire.js'

export interface GatewaySettings {
  targets: UpstreamOptions['targets']
  upstream?: Omit<UpstreamOptions, 'targets'>
  /** Of the route `/*`. */
  route?: Partial<ProxyRouteOptions>
  fastify?: FastifyServerOptions
  plugin?: GatewayOptions
  /** Default: a free port of 127.0.0.1. */
  listen?: FastifyListenOptions
  /** Runs before the plugin is registered. */
  before? (app: FastifyInstance): void
  /** Runs before the route is declared. */
  setup? (app: FastifyInstance): void
}

export interface RunningGateway {
  app: FastifyInstance
  port: number
  /** What the sessions' log lines say, in their order. */
  ends: Array<SessionEnd & { target: string }>
  /** Every log line. */
  log: Array<Record<string, unknown>>
  /** Resolves when so many sessions have ended since the start. */
  ended (count?: number): Promise<void>
  /** Resolves when no client is connected. */
  idle (): Promise<void>
}

/** An app with one proxied route for everything, which WebSockets may pass. */
export async function startGateway (t: Teardown, { targets, upstream, route, fastify, plugin = {}, listen = { port: 0, host: '127.0.0.1' }, before, setup }: GatewaySettings): Promise<RunningGateway> {
  const events = new EventEmitter()
  const ends: RunningGateway['ends'] = []
  const log: RunningGateway['log'] = []
  const write = (line: string): void => {
    const entry = JSON.parse(line) as { msg: string, session: SessionEnd & { target: string } }
    log.push(entry as never)
    if (entry.msg === 'websocket session ended') {
      ends.push(entry.session)
      events.emit('end')
    }
  }
  const app = Fastify({ logger: { level: 'info', stream: { write } }, ...fastify } as FastifyServerOptions)
  t.teardown(() => app.close())
  before?.(app)
  await app.register(sluice, plugin)
  app.upstream('main', { targets, ...upstream })
  setup?.(app)
  // Waits for a Close are short, lest a failing test be long.
  app.proxy('/*', { upstream: 'main', websocket: { closeTimeout: 200 }, ...route })
  await app.listen(listen)
  const { server } = app
  const connected = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    connected.add(socket)
    socket.once('close', () => {
      connected.delete(socket)
      events.emit('close')
    })
  })
  return {
    app,
    port: (server.address() as AddressInfo).port,
    ends,
    log,
    ended: async (count = 1) => { while (ends.length < count) await once(events, 'end') },
    idle: async () => { while (connected.size > 0) await once(events, 'close') }
  }
}

/** A session with both its ends in the hands of a test. */
export interface OpenSession {
  gateway: RunningGateway
  target: RawTarget
  client: Wire
  server: Wire
  /** The handshake as the target saw it, and the response as the client did. */
  request: Head
  answer: Head
}

/** Opens a session through a gateway of its own, or one that runs already. */
export async function openSession (t: Teardown, settings: Partial<GatewaySettings> & { headers?: Record<string, string>, answer?: string[], from?: string, path?: string, on?: Pick<OpenSession, 'gateway' | 'target'> } = {}): Promise<OpenSession> {
  const target = settings.on?.target ?? await rawTarget(t)
  const gateway = settings.on?.gateway ?? await startGateway(t, { targets: [target.url], ...settings })
  const client = await Wire.connect(t, gateway.port, settings.from)
  client.write(handshake({ headers: settings.headers ?? {}, ...settings.path !== undefined && { path: settings.path } }))
  const server = await target.next()
  const request = await server.head()
  server.write(goodResponse(request, settings.answer))
  const answer = await client.head()
  return { gateway, target, client, server, request, answer }
}

/** How many timers and TCP connections keep this process alive, for a test that compares them. */
export function resources (): { timers: number, sockets: number } {
  const all = process.getActiveResourcesInfo()
  return {
    timers: all.filter(name => name === 'Timeout').length,
    sockets: all.filter(name => name === 'TCPSocketWrap').length
  }
}

/** Checks that a session is over with all that belonged to it, and what its one log line says. */
export async function checkEnd (t: Teardown & Pick<Tap, 'match' | 'equal'>, { gateway, client, server }: OpenSession, expected: object): Promise<void> {
  await gateway.ended()
  await gateway.idle()
  for (const wire of [client, server]) {
    await wire.over()
    wire.end()
    await wire.gone()
  }
  t.match(gateway.ends[0], expected)
  t.equal(gateway.ends.length, 1, 'one log line')
  t.equal(gateway.app.gateway.sessions.size, 0)
  t.equal(resources().timers, 0, 'no timer is left')
}
