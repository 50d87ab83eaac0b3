import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { isDeepStrictEqual } from 'node:util'
import { OpenConnections } from '../../listener/open-connections.js'
import { Addresses, isSamePlace, type ListenAddress } from './addresses.js'
import { Engine, type EngineOptions } from './engine.js'
import type { Connections, GenerationServer } from './generation-server.js'

/** Where a listener of the front is, and how it reads what comes. */
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
  /** In the order of the configuration. */
  #places: readonly Place[] = []
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
    return this.#places.length > 0
  }

  address (): AddressInfo | string | null {
    return this.#places[0]?.addresses.list()[0] ?? null
  }

  /** All addresses as URLs, such as http://127.0.0.1:8080 or unix:/run/sluice.sock; the first one first. */
  urls (): string[] {
    return this.#places.flatMap(({ addresses, options }) => addresses.list().map(address => urlOf(address, options.tls !== undefined)))
  }

  redirectOf (socket: Duplex): number | undefined {
    return this.#engines.get(socket)?.redirect
  }

  /**
   * Makes ready what other options need: other addresses are listened on before those that there were are left.
   *
   * @throws Node's error, when an address cannot be had, or a certificate does not fit.
   */
  async prepare (all: readonly FrontOptions[]): Promise<PreparedChange> {
    const before = this.#places
    const opened: Place[] = []
    const close = (): void => {
      for (const { engine, connections, addresses } of opened) {
        this.#end(engine, connections)
        addresses.close().catch(() => {})
      }
    }
    const next: Place[] = []
    const kept = new Set<Place>()
    try {
      for (const options of all) {
        const place = before.find(place => !kept.has(place) && isSamePlace(place.options.address, options.address))
        if (place === undefined) {
          const fresh = await this.#open(options)
          opened.push(fresh)
          next.push(fresh)
        } else {
          kept.add(place)
          next.push(place)
        }
      }
      // Last: where another listener cannot be opened, nothing has changed.
      for (const [index, { address }] of all.entries()) {
        const { addresses, options: current } = next[index]!
        if ('mode' in address && !isDeepStrictEqual(address, current.address)) await addresses.setMode(address.mode!)
      }
    } catch (error) {
      close()
      throw error
    }
    return {
      commit: () => {
        this.#places = next
        for (const place of before) if (!kept.has(place)) this.#leave(place)
        // What can fail has been checked before: a certificate, when it was read.
        for (const [index, place] of next.entries()) if (kept.has(place)) this.#update(place, all[index]!)
      },
      discard: close
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
    for (const place of this.#places) this.#leave(place)
    await Promise.all(this.#left)
  }

  /** Ends the connections that are left, whatever is under way. */
  cut (): void {
    this.#connections.destroy()
  }

  async #close (): Promise<void> {
    await Promise.all(this.#places.map(async place => {
      const closed = place.addresses.close()
      for (const engine of [place.engine, ...place.former]) engine.close()
      await closed
    }))
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
      [before.server, before.keepAliveTimeout, before.redirect, before.tls?.handshakeTimeout], [options.server, options.keepAliveTimeout, options.redirect, options.tls?.handshakeTimeout])
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

function urlOf (address: AddressInfo | string, isSecure: boolean): string {
  if (typeof address === 'string') return `unix:${address}`
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return `${isSecure ? 'https' : 'http'}://${host}:${address.port}`
}
