import { createServer } from 'node:http'
import { join } from 'node:path'
import Fastify, { type FastifyInstance, type FastifyListenOptions, type FastifyServerOptions } from 'fastify'
import sluice from '../../../src/index.js'
import type { UpstreamConfig } from '../../../src/options/index.js'
import { createGateway } from '../../../src/service/gateway.js'
import type { Address, Pem } from '../addresses.js'
import { OWN, ROUTES, TARGETS, optionsOf, prefixOf, upstreamOf, type TargetKind } from '../fuzz/routes.js'
import { serve } from '../program.js'
import { usage, type Usage } from '../usage.js'

/** The gateway of the fuzzer, in a process of its own: the same routes behind every kind of listener. */

export const DRAIN_TIMEOUT = 3000

export interface FuzzGatewaySettings extends Pem {
  /** For the Unix socket. */
  folder: string
  /** The URLs of the targets of each upstream, by its name. */
  upstreams: Record<string, string[]>
}

/** The lines go nowhere, but they are made. */
const stream = { write () {} }
/** Those of targets that misbehave are short, so that they run out while the clients are there. */
const limitsOf = (upstream: string): Omit<UpstreamConfig, 'targets'> => ({
  tls: { rejectUnauthorized: false },
  ...upstream.startsWith('bad') ? { connectTimeout: 1000, headersTimeout: 1000, bodyTimeout: 1000 } : {}
})
/** A client that does nothing wrong is within them, also on a machine under load. */
const clientLimits = { requestTimeout: 5000, headersTimeout: 4000, keepAliveTimeout: 1500 }
const fastifyOptions = {
  logger: { level: 'info', stream },
  requestTimeout: clientLimits.requestTimeout,
  keepAliveTimeout: clientLimits.keepAliveTimeout,
  http: { headersTimeout: clientLimits.headersTimeout, connectionsCheckingInterval: 500 }
} as const

const apps: Record<string, { close (): Promise<void> }> = {}
const addresses: Record<string, Address> = {}
const warnings: string[] = []
process.on('warning', warning => { if (!/Experimental|Deprecation/.test(warning.name)) warnings.push(String(warning)) })

async function startApp (name: string, { upstreams }: FuzzGatewaySettings, options: object, address: Partial<Address> = {}, listen: FastifyListenOptions = { port: 0, host: '127.0.0.1' }): Promise<void> {
  const app = Fastify({ ...fastifyOptions, ...options } as FastifyServerOptions) as unknown as FastifyInstance
  await app.register(sluice, { drainTimeout: DRAIN_TIMEOUT })
  for (const [name, targets] of Object.entries(upstreams)) app.upstream(name, { targets, ...limitsOf(name) })
  for (const [kind, route] of routes()) {
    app.proxy(`${prefixOf(kind, route.name)}/*`, { ...optionsOf(kind, route), ...route.hooks, upstream: upstreamOf(kind, route.over) })
  }
  app.addContentTypeParser('x/x', (_request, payload, done) => { payload.resume().once('end', () => done(null)) })
  app.route({ method: ['GET', 'POST'], url: `${OWN}:token`, handler: async request => (request.params as { token: string }).token })
  const url = await app.listen(listen)
  apps[name] = app
  addresses[name] = { ...listen.path === undefined ? { port: Number(new URL(url).port) } : { path: listen.path }, ...address }
}

async function startService ({ upstreams }: FuzzGatewaySettings): Promise<void> {
  const gateway = await createGateway({
    listen: { port: 0, ...clientLimits },
    drainTimeout: DRAIN_TIMEOUT,
    upstreams: Object.fromEntries(Object.entries(upstreams).map(([name, targets]) => [name, { targets, ...limitsOf(name) }])),
    routes: [...routes()].map(([kind, route]) => ({ ...optionsOf(kind, route), url: `${prefixOf(kind, route.name)}/*`, upstream: upstreamOf(kind, route.over) }))
  }, { logger: Fastify(fastifyOptions).log })
  addresses.service = { port: Number(new URL(await gateway.listen()).port) }
  apps.service = gateway
}

function * routes (): Generator<[TargetKind, typeof ROUTES[number]]> {
  for (const kind of TARGETS) for (const route of ROUTES) yield [kind, route]
}

const answers = {
  /** Listens in every way; gives the addresses. */
  async start (settings: FuzzGatewaySettings): Promise<Record<string, Address>> {
    const { key, cert, folder } = settings
    await startApp('tcp', settings, {})
    await startApp('tls', settings, { https: { key, cert } }, { tls: true })
    await startApp('unix', settings, {}, {}, { path: join(folder, 'gateway.sock') })
    await startApp('http2', settings, { http2: true, https: { key, cert, allowHTTP1: true } }, { tls: true, protocols: ['h2', 'http/1.1'] })
    await startApp('h2c', settings, { http2: true }, { protocols: ['h2'] })
    await startApp('serverFactory', settings, { serverFactory: (handler: Parameters<typeof createServer>[1]) => createServer(handler) })
    await startService(settings)
    return addresses
  },

  /** What it holds, after a thorough collection of garbage. */
  async usage (): Promise<Usage & { warnings: string[] }> {
    return { ...await usage(), warnings }
  },

  /** Bytes of memory that it has by now. */
  resident (): number {
    return process.memoryUsage.rss()
  },

  /** Closes all; gives the milliseconds that each took. */
  async close (): Promise<Record<string, number>> {
    const started = performance.now()
    const took: Record<string, number> = {}
    await Promise.all(Object.entries(apps).map(async ([name, app]) => {
      await app.close()
      took[name] = Math.round(performance.now() - started)
    }))
    return took
  }
}

export type FuzzGatewayResponses = typeof answers
serve(answers)
