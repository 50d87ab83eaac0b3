import { Socket } from 'node:net'
import { DrainingError, TargetUnreachableError } from '../../errors.js'
import type { Cancellation } from '../../net/cancellation.js'
import { TargetConnection, type ConnectionKeeper } from './connection.js'
import type { ResponseListener, TargetExchange, TargetLimits, TargetRequest } from './target-exchange.js'
import { PendingExchange } from './pending-exchange.js'
import { requestHead } from './request-head.js'
import { SettlingConnections } from './settling-connections.js'
import { WaitingRequests } from './waiting-requests.js'

/** Milliseconds that a connection is kept for another request where the target does not say how long it keeps it. */
const KEPT = 4_000
/** A target that says how long is taken at its word, less the time for a request to get there, and up to a limit. */
const ON_THE_WAY = 1_000
const LONGEST_KEPT = 600_000
/** How often connections are looked through for those that have been kept long enough. */
const SWEEP = 1_000

type PoolDialer = (cancellation: Cancellation, timeout: number) => Promise<Socket>

/**
 * The kept-alive connections to a target. One request a connection at a time: a slow response must not hold up
 * another client's (head-of-line blocking).
 */
export class ConnectionPool implements ConnectionKeeper {
  readonly #dialTarget: PoolDialer
  /** All that are open. */
  readonly #connections = new Set<TargetConnection>()
  /** Those that wait for a request; the one that was used last is used first, so that the others can run out. */
  #idle: TargetConnection[] = []
  /** Those that will from the next turn of the event loop on, unless their targets end them right behind a response. */
  #resting: TargetConnection[] = []
  /** Those that may still get a body that must not come; then they rest. */
  readonly #settling = new SettlingConnections(connection => this.#rest(connection))
  /** Those that the target has authenticated, while they wait for the next request of their clients. */
  readonly #bound = new Map<Socket, TargetConnection>()
  /** Clients whose leaving ends them. */
  readonly #watched = new WeakSet<Socket>()
  /** Requests that wait for a connection to be made. */
  readonly #dialling = new Set<PendingExchange>()
  /** Requests that wait until another connection may be made, or one is free. */
  readonly #waiting = new WaitingRequests()
  #sweeper: NodeJS.Timeout | undefined
  /** Connections that were begun in an earlier one carry no further request. */
  #era = 0
  #keeps = true
  #closed = false

  /** @param dial Opens a connection to the target. */
  constructor (dial: PoolDialer) {
    this.#dialTarget = dial
  }

  /** Sends a request. */
  send (request: TargetRequest, listener: ResponseListener, limits: TargetLimits): TargetExchange {
    let head = ''
    let fault: unknown
    try {
      head = requestHead(request.method, request.path, request.headers)
    } catch (error) {
      fault = error
    }
    const exchange = new PendingExchange(request, listener, head, limits)
    if (fault !== undefined || this.#closed) {
      queueMicrotask(() => exchange.fail(fault !== undefined ? new TargetUnreachableError({ cause: fault }) : new DrainingError()))
      return exchange
    }
    const connection = request.anew === true ? undefined : this.#takeBound(request.client) ?? this.#takeIdle()
    if (connection !== undefined) {
      connection.start(exchange)
    } else if (this.#hasRoomFor(exchange)) {
      this.#dial(exchange)
    } else {
      this.#waiting.add(exchange)
      // A connection that this request may not use makes room: once it is closed, another is made.
      if (exchange.queued) (this.#idle.pop() ?? this.#settling.shift() ?? this.#bound.values().next().value)?.destroy()
    }
    return exchange
  }

  /** Whether connections are open, or being made. */
  get busy (): boolean {
    return this.#connections.size > 0 || this.#dialling.size > 0 || this.#waiting.size > 0
  }

  isBoundTo (client: Socket): boolean {
    return this.#bound.size > 0 && this.#bound.has(client)
  }

  /** Keeps no connection any more. Requests under way go on. */
  retire (): void {
    this.#keeps = false
    for (const connection of this.#idle) connection.destroy()
    this.#idle = []
    for (const connection of this.#bound.values()) connection.destroy()
    for (let connection; (connection = this.#settling.shift()) !== undefined;) connection.destroy()
    clearInterval(this.#sweeper)
  }

  /** Keeps connections again. */
  revive (): void {
    this.#keeps = true
    this.#sweeper = undefined
  }

  /** Destroys all connections; requests under way fail. */
  close (): void {
    this.#closed = true
    this.retire()
    for (let exchange; (exchange = this.#waiting.shift()) !== undefined;) exchange.cancel(new DrainingError())
    for (const exchange of this.#dialling) exchange.cancel(new DrainingError())
    for (const connection of this.#connections) connection.abort(new DrainingError())
  }

  /** Uses connections no more that do not lead where new ones would. Requests under way on them go on. */
  leave (isOutdated: (connection: TargetConnection) => boolean): void {
    for (const connection of this.#connections) {
      if (!isOutdated(connection)) continue
      connection.outdated = true
      if (connection.usable) connection.destroy()
    }
    this.#idle = this.#idle.filter(connection => !connection.outdated)
  }

  /** The same for all that there are, and those that are being made. */
  leaveAll (): void {
    this.#era++
    this.leave(() => true)
  }

  onIdle (connection: TargetConnection, keepAlive: number | undefined, settled: boolean): void {
    if (connection.authenticated) return this.#bind(connection)
    const kept = keepAlive === undefined ? KEPT : Math.min(keepAlive * 1_000 - ON_THE_WAY, LONGEST_KEPT)
    if (!this.#keeps || connection.outdated || kept <= 0) return connection.destroy()
    connection.idleUntil = performance.now() + kept
    if (settled) this.#rest(connection)
    // A new one is made for a request that waits.
    else if (this.#waiting.size > 0) connection.destroy()
    else this.#settling.add(connection)
  }

  onClosed (connection: TargetConnection): void {
    const { client } = connection
    if (client !== undefined && this.#bound.get(client) === connection) this.#bound.delete(client)
    this.#connections.delete(connection)
    this.#settling.delete(connection)
    this.#serveWaiting()
  }

  #hasRoomFor ({ limits }: PendingExchange): boolean {
    return this.#connections.size + this.#dialling.size < limits.maxConnections
  }

  #serveWaiting (): void {
    for (let next; (next = this.#waiting.first) !== undefined && this.#hasRoomFor(next);) {
      this.#waiting.shift()
      this.#dial(next)
    }
  }

  #rest (connection: TargetConnection): void {
    if (this.#resting.push(connection) === 1) setImmediate(() => this.#endRest())
  }

  #endRest (): void {
    const rested = this.#resting
    this.#resting = []
    for (const connection of rested) {
      if (!this.#keeps || !connection.usable) {
        connection.destroy()
        continue
      }
      const next = this.#waiting.shift()
      if (next === undefined) {
        this.#idle.push(connection)
      } else if (next.request.anew === true) {
        connection.destroy()
        this.#dial(next)
      } else {
        next.runInAsyncScope(connection.start, connection, next)
      }
    }
    if (this.#idle.length > 0) this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP).unref()
  }

  /** Keeps a connection for its client, for as long as that one's own connection lasts, or the target keeps it. */
  #bind (connection: TargetConnection): void {
    const { client } = connection
    if (!this.#keeps || this.#waiting.size > 0 || !(client instanceof Socket) || client.destroyed) return connection.destroy()
    if (!this.#watched.has(client)) {
      this.#watched.add(client)
      client.once('close', () => this.#bound.get(client)?.destroy())
    }
    this.#bound.set(client, connection)
  }

  #takeBound (client: Socket | undefined): TargetConnection | undefined {
    if (client === undefined || this.#bound.size === 0) return undefined
    const connection = this.#bound.get(client)
    this.#bound.delete(client)
    return connection?.usable === true ? connection : undefined
  }

  #takeIdle (): TargetConnection | undefined {
    for (let connection; (connection = this.#idle.pop()) !== undefined;) {
      if (connection.usable && connection.idleUntil > performance.now()) return connection
      connection.destroy()
    }
    return undefined
  }

  #sweep (): void {
    const now = performance.now()
    this.#idle = this.#idle.filter(connection => {
      const keep = connection.usable && connection.idleUntil > now
      if (!keep) connection.destroy()
      return keep
    })
    if (this.#idle.length > 0) return
    clearInterval(this.#sweeper)
    this.#sweeper = undefined
  }

  /** In the async context of the waiting request, not of the one that made room for it. */
  #dial (exchange: PendingExchange): void {
    this.#dialling.add(exchange)
    exchange.runInAsyncScope(this.#connect, this, exchange)
  }

  #connect (exchange: PendingExchange): void {
    const era = this.#era
    this.#dialTarget(exchange.cancellation, exchange.limits.connectTimeout)
      .then(socket => {
        const connection = new TargetConnection(socket, this)
        connection.outdated = era !== this.#era
        this.#dialling.delete(exchange)
        this.#connections.add(connection)
        if (exchange.over) connection.destroy()
        else connection.start(exchange)
      })
      .catch((error: Error) => {
        this.#dialling.delete(exchange)
        exchange.fail(error)
        this.#serveWaiting()
      })
  }
}
