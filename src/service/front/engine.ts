import { createServer as createPlain, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http'
import { createServer as createSecure, type Server as SecureServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { SecureContextOptions } from 'node:tls'
import type { GenerationServer } from './generation-server.js'

/** How the connections of a front are read. */
export interface EngineOptions {
  server: ServerOptions
  keepAliveTimeout: number
  /** Undefined for plain HTTP. */
  tls: { context: SecureContextOptions, handshakeTimeout: number } | undefined
  /** The port of https to which everything is redirected; undefined for none. */
  redirect: number | undefined
}

/**
 * Reads HTTP from the connections that it is given, and hands what comes to the generation that is served: Node's own
 * server, which never listens. Node documents that a connection may be given to a server by emitting it.
 */
export class Engine {
  readonly server: Server
  readonly redirect: number | undefined
  readonly #secure: SecureServer | undefined
  #connections = 0
  #leaving = false
  #onEmpty: (() => void) | undefined

  /** @param current The server of the generation that gets what comes now. */
  constructor ({ server: options, keepAliveTimeout, tls, redirect }: EngineOptions, current: () => GenerationServer) {
    const engineOptions = { ...options, shouldUpgradeCallback: (request: IncomingMessage) => upgrades(current(), request) }
    this.redirect = redirect
    if (tls === undefined) {
      this.server = createPlain(engineOptions)
    } else {
      this.#secure = createSecure({ ...engineOptions, ...tls.context, handshakeTimeout: tls.handshakeTimeout })
      this.server = this.#secure
    }
    this.server.keepAliveTimeout = keepAliveTimeout
    // Here, too: Node hides what stands behind the thousandth header, though it counts. The size of a head is limited.
    this.server.maxHeadersCount = 0
    for (const event of ['request', 'checkContinue', 'checkExpectation'] as const) {
      this.server.on(event, (request: IncomingMessage, response: ServerResponse) => {
        // A client that has sent more must know that it is not served here (RFC 9112 §9.6).
        if (this.#leaving) response.shouldKeepAlive = false
        current().serve(event, request, response)
      })
    }
    for (const event of ['upgrade', 'connect'] as const) {
      this.server.on(event, (request: IncomingMessage, socket: Duplex, head: Buffer) => current().serveUpgrade(event, request, socket, head))
    }
    this.server.on('clientError', (error: Error, socket: Duplex) => { current().emit('clientError', error, socket) })
    // Its checks for slow and idle connections begin when it listens.
    this.server.emit('listening')
  }

  accept (socket: Socket): void {
    // As a server of node:https has it; the address accepts for both kinds.
    if (this.#secure !== undefined) socket.allowHalfOpen = false
    this.#connections++
    socket.once('close', () => { if (--this.#connections === 0) this.#onEmpty?.() })
    this.server.emit('connection', socket)
  }

  /** Keeps no connection for another request any more. */
  leave (): void {
    this.#leaving = true
  }

  /** Gets no more connections: calls back when those that it has are closed. */
  retire (onEmpty: () => void): void {
    if (this.#connections === 0) onEmpty()
    else this.#onEmpty = onEmpty
  }

  /** Shows other certificates from now on. */
  setSecureContext (context: SecureContextOptions): void {
    this.#secure?.setSecureContext(context)
  }

  /** Ends what it does by itself. Its connections are not waited for. */
  close (): void {
    // It says that it did not listen.
    this.server.close(() => {})
  }
}

/** What a generation's server says of it; Node asks only from 22.21 and 24.9 on. */
function upgrades (server: GenerationServer, request: IncomingMessage): boolean {
  const { shouldUpgradeCallback } = server as { shouldUpgradeCallback?: (request: IncomingMessage) => boolean }
  return shouldUpgradeCallback?.call(server, request) ?? server.listenerCount('upgrade') > 0
}
