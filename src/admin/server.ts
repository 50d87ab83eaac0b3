import swagger from '@fastify/swagger'
import websocket from '@fastify/websocket'
import * as fastifyModule from 'fastify'
import type { FastifyInstance } from 'fastify'
import { AdminUnauthorizedError } from '../errors.js'
import { version } from '../manifest.js'
import type { AdminOptions } from '../options/index.js'
import { adminAddress, listenAt } from './address.js'
import { serveApi } from './api.js'
import { Feed, feedLists, type FeedSources } from './feed.js'
import { checkAccess, type Access } from './guard.js'
import { serveHealth } from './health.js'
import { serveMetrics } from './metrics.js'
import { PAGE_HEADERS, servePage } from './page-files.js'
import { Sampler } from './sampler.js'
import type { AdminSource } from './source.js'

/** Status pages at a time. */
const MOST_FEEDS = 32

/** Milliseconds that responses under way are given when it closes. */
const CLOSE_TIMEOUT = 1_000

/** The admin listener of a gateway, with an app of its own. */
export class AdminServer {
  readonly address: string
  readonly #app: FastifyInstance
  readonly #admin: Admin

  /**
   * @param source What it shows and changes; closed with it.
   * @throws {Error} when the address cannot be had.
   */
  static async open (source: AdminSource, options: AdminOptions): Promise<AdminServer> {
    const admin = new Admin(source, options)
    let app: FastifyInstance | undefined
    try {
      app = await adminApp(admin)
      return new AdminServer(await listenAt(app, adminAddress(options)), app, admin)
    } catch (error) {
      admin.close()
      await app?.close()
      throw error
    }
  }

  private constructor (address: string, app: FastifyInstance, admin: Admin) {
    this.address = address
    this.#app = app
    this.#admin = admin
  }

  /** From now on, another token is asked for. */
  setToken (token: string | undefined): void {
    this.#admin.token = token
  }

  /** Responds to what has been asked, such as the reload that moves it, and ends everything else. */
  async close (): Promise<void> {
    this.#admin.close()
    const timer = setTimeout(() => this.#app.server.closeAllConnections(), CLOSE_TIMEOUT)
    await this.#app.close()
    clearTimeout(timer)
  }
}

/** What the routes of an admin listener share. */
class Admin implements Access, FeedSources {
  readonly source: AdminSource
  readonly version = version()
  readonly sampler: Sampler
  readonly feeds = new Set<Feed>()
  token: string | undefined
  readonly isSocket: boolean

  constructor (source: AdminSource, { token, socketPath }: AdminOptions) {
    this.source = source
    this.token = token
    this.isSocket = socketPath !== undefined
    this.sampler = new Sampler(source, async ({ events }) => {
      if (this.feeds.size === 0) return
      for (const feed of this.feeds) feed.sample(events)
      const lists = await feedLists(source, this.sampler)
      for (const feed of this.feeds) feed.show(lists)
    })
  }

  close (): void {
    this.sampler.close()
    for (const feed of this.feeds) feed.close()
    this.source.close()
  }
}

async function adminApp (admin: Admin): Promise<FastifyInstance> {
  const { source } = admin
  const { LogController } = fastifyModule as Partial<typeof fastifyModule>
  const app = fastifyModule.fastify({
    loggerInstance: source.log,
    ...LogController === undefined ? { disableRequestLogging: true } : { logController: new LogController({ disableRequestLogging: true }) },
    bodyLimit: 65_536,
    requestTimeout: 10_000,
    forceCloseConnections: 'idle',
    ajv: { customOptions: { removeAdditional: false } }
  })
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(PAGE_HEADERS)
    try {
      checkAccess(request, admin)
    } catch (error) {
      if (error instanceof AdminUnauthorizedError) reply.header('www-authenticate', ['Basic realm="sluice admin", charset="UTF-8"', 'Bearer'])
      throw error
    }
  })
  app.addHook('onResponse', async (request, reply) => {
    // Nobody else ends the connection of a handshake that was refused, and the app could not close before its client does.
    if (request.headers.upgrade !== undefined && reply.statusCode >= 400) request.raw.socket.destroySoon()
  })
  await app.register(websocket, { options: { maxPayload: 65_536 } })
  await app.register(swagger, { openapi: { info: { title: 'Sluice admin API', version: admin.version }, ...OPENAPI_SECURITY } })
  // Behind the plugin that collects the schemas.
  await app.register(async scope => {
    serveHealth(scope, source)
    serveMetrics(scope, source)
    serveApi(scope, admin)
    servePage(scope, 'admin-page')
    scope.get('/api/openapi.json', { schema: { hide: true } }, () => scope.swagger())
    scope.get('/api/feed', { websocket: true, schema: { hide: true } }, socket => {
      if (admin.feeds.size >= MOST_FEEDS) return socket.close(1013, 'too many status pages are open')
      const feed = new Feed(socket, admin)
      admin.feeds.add(feed)
      socket.once('close', () => admin.feeds.delete(feed))
      feedLists(source, admin.sampler).then(lists => feed.show(lists), err => source.log.error({ err }, 'the lists for the status page could not be made'))
    })
  })
  return app
}

const OPENAPI_SECURITY = {
  components: { securitySchemes: { bearer: { type: 'http' as const, scheme: 'bearer' } } },
  security: [{}, { bearer: [] }]
}
