import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { isDeepStrictEqual } from 'node:util'
import { OpenConnections } from '../../listener/open-connections.js'
import { Addresses, type ListenAddress } from './addresses.js'
import { Engine, type EngineOptions } from './engine.js'
import type { Connections, GenerationServer } from './generation-server.js'

/** Where the front listens, and how it reads what comes. */
export interface FrontOptions extends EngineOptions {
  address: ListenAddress
  maxConnections: number | undefined
}

/** A change that is ready to be made; until then nothing has changed. */
export interface PreparedChange {
  commit (): void
  /** Gives up what was made ready. */
  discard (): void
}

/** How long an idle connection to an address that was left may still bring a request, in milliseconds: one may be on its way. */
const LAST_REQUEST = 1_000
/** How often connections are then looked through for those that have become idle, in milliseconds. */
const IDLE_CHECK = 250

/** What listens on one address. */
interface Place {
  options: FrontOptions
  addresses: Addresses
  /** The one for new connections. */
  engine: Engine
  /** Those that read the connections which came under other options. */
  former: Set<Engine>
  connections: OpenConnections
}

/**
 * What outlives the generations: it owns the addresses and the connections of clients, and gives what comes on them to
 * the generation that is served now.
 */
export class Front implements Connections {
  /** Of all addresses. */
  readonly #connections = new OpenConnections()
  readonly #engines = new WeakMap<Duplex, Engine>()
  #current: GenerationServer | undefined
  #place: Place | undefined
  /** Addresses that were left, with connections on which requests are under way. */
  readonly #left = new Set<Promise<void>>()
  #closed: Promise<void> | undefined

  /** Has a generation's server stand for this. */
  adopt (server: GenerationServer): void {
    this.#connections.standFor(server)
  }

  /** Gives everything that comes from now on to a generation. */
  serve (server: GenerationServer): void {
    this.#current = server
  }

  get listening (): boolean {
    return this.#place !== undefined
  }

  address (): AddressInfo | null {
    return this.#place?.addresses.list()[0] ?? null
  }

  /** All addresses, the first one included. */
  addresses (): AddressInfo[] {
    return this.#place?.addresses.list() ?? []
  }

  /**
   * Makes ready what other options need: another address is listened on before the one that there was is left.
   *
   * @throws Node's error, when the address cannot be had, or the certificate does not fit.
   */
  async prepare (options: FrontOptions): Promise<PreparedChange> {
    const place = this.#place
    if (place !== undefined && isDeepStrictEqual(place.options.address, options.address)) {
      // What can fail has been checked before: a certificate, when it was read.
      return { commit: () => this.#update(place, options), discard () {} }
    }
    const next = await this.#open(options)
    return {
      commit: () => {
        this.#place = next
        if (place !== undefined) this.#leave(place)
      },
      discard: () => {
        this.#end(next.engine, next.connections)
        next.addresses.close().catch(() => {})
      }
    }
  }

  readAgain (event: 'connection' | 'secureConnection', socket: Duplex): void {
    this.#engines.get(socket)!.server.emit(event, socket)
  }

  /**
   * Accepts nothing more, where the generation that is served ends, and resolves when all connections are closed. Who
   * ends them is not said here.
   */
  closed (server: GenerationServer): Promise<void> {
    if (server !== this.#current) return Promise.resolve()
    this.#closed ??= this.#close()
    return this.#closed
  }

  /**
   * Accepts nothing more, and resolves when all connections are closed. What is under way goes on as before, and so does
   * a request that comes meanwhile, behind which its connection is closed.
   */
  async leave (): Promise<void> {
    if (this.#place !== undefined) this.#leave(this.#place)
    await Promise.all(this.#left)
  }

  /** Ends the connections that are left, whatever is under way. */
  cut (): void {
    this.#connections.destroy()
  }

  async #close (): Promise<void> {
    const place = this.#place
    if (place !== undefined) {
      const closed = place.addresses.close()
      for (const engine of [place.engine, ...place.former]) engine.close()
      await closed
    }
    await Promise.all(this.#left)
  }

  async #open (options: FrontOptions): Promise<Place> {
    const connections = new OpenConnections()
    const engine = this.#engine(options, connections)
    const place = { options, engine, former: new Set(), connections } as Omit<Place, 'addresses'>
    try {
      const addresses = await Addresses.listen(options.address, options.maxConnections, socket => place.engine.accept(socket))
      return Object.assign(place, { addresses })
    } catch (error) {
      this.#end(engine, connections)
      throw error
    }
  }

  #engine (options: FrontOptions, connections: OpenConnections): Engine {
    const engine = new Engine(options, () => this.#current!)
    const note = (socket: Socket): void => { this.#engines.set(socket, engine) }
    engine.server.prependListener('connection', note)
    engine.server.prependListener('secureConnection', note)
    connections.watch(engine.server)
    this.#connections.watch(engine.server)
    return engine
  }

  #end (engine: Engine, connections: OpenConnections): void {
    engine.close()
    connections.unwatch(engine.server)
    this.#connections.unwatch(engine.server)
  }

  /** Connections that are open go on under the options that they began with, but for certificates. */
  #update (place: Place, options: FrontOptions): void {
    const { options: before } = place
    place.options = options
    place.addresses.limit(options.maxConnections)
    const sameKind = isDeepStrictEqual(
      [before.server, before.keepAliveTimeout, before.tls?.handshakeTimeout], [options.server, options.keepAliveTimeout, options.tls?.handshakeTimeout])
    if (sameKind) {
      if (options.tls !== undefined && !isDeepStrictEqual(before.tls, options.tls)) place.engine.setSecureContext(options.tls.context)
      return
    }
    const former = place.engine
    place.engine = this.#engine(options, place.connections)
    place.former.add(former)
    former.retire(() => {
      place.former.delete(former)
      this.#end(former, place.connections)
    })
  }

  /** Leaves an address: its connections are closed behind their next response, or when they have been idle for a while. */
  #leave ({ addresses, engine, former, connections }: Place): void {
    for (const one of [engine, ...former]) one.leave()
    let interval: NodeJS.Timeout | undefined
    // What has come while this process was busy is read first.
    const closeIdle = (): void => { setImmediate(() => connections.closeIdle()) }
    const timer = setTimeout(() => {
      closeIdle()
      interval = setInterval(closeIdle, IDLE_CHECK).unref()
    }, LAST_REQUEST).unref()
    const left = addresses.close().then(() => {
      clearTimeout(timer)
      clearInterval(interval)
      for (const one of [engine, ...former]) this.#end(one, connections)
      this.#left.delete(left)
    })
    this.#left.add(left)
  }
}
