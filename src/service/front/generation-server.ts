import { Server, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { hold } from '../../listener/held-requests.js'

/** What a generation's server needs of the front, which owns the connections. */
export interface Connections {
  /** Has a server stand for the front in what its app asks of connections. */
  adopt (server: GenerationServer): void
  address (): AddressInfo | string | null
  /** The port of https to which what comes on a connection is redirected; undefined for none. */
  redirectOf (socket: Duplex): number | undefined
  /** Has a connection read once more, as HTTP. */
  readAgain (event: 'connection' | 'secureConnection', socket: Duplex): void
  /** Resolves when all connections are closed, where this generation is the last one. */
  closed (server: GenerationServer): Promise<void>
}

/**
 * The server of a generation's app. It never listens: the front does, and hands it requests, upgrades and errors. To
 * the app it looks like one that listens where the front does, so that its hooks run as usual.
 */
export class GenerationServer extends Server {
  readonly #connections: Connections
  /** Requests whose response has not ended; and, where the end of their connections is theirs, what takes the listener off. */
  readonly #open = new Map<IncomingMessage, (() => void) | undefined>()
  #retired: (() => void) | undefined
  readonly #letGo = (request: IncomingMessage): void => {
    // A session's connection must not lead to the generation that it began in.
    this.#open.get(request)?.()
    this.#open.delete(request)
    if (this.#open.size === 0) this.#retired?.()
  }

  constructor (connections: Connections, onRequest: RequestListener) {
    super(onRequest)
    this.#connections = connections
    connections.adopt(this)
    // What comes to it is an upgrade that is given back to HTTP.
    for (const event of ['connection', 'secureConnection'] as const) {
      this.removeAllListeners(event)
      this.on(event, (socket: Duplex) => connections.readAgain(event, socket))
    }
    // Node would check for slow connections here; it has none, and would be kept by the timer.
    this.removeAllListeners('listening')
    Object.defineProperty(this, 'listening', { value: false, writable: true })
  }

  /** Serves a request. */
  serve (event: 'request' | 'checkContinue' | 'checkExpectation', request: IncomingMessage, response: ServerResponse): void {
    this.#open.set(request, undefined)
    hold(request, this.#letGo)
    response.once('close', () => this.#letGo(request))
    this.emit(event, request, response)
  }

  /** Serves a request for another protocol, or for a tunnel. A neighbour's WebSocket counts until it is closed. */
  serveUpgrade (event: 'upgrade' | 'connect', request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.listenerCount(event) === 0) {
      socket.destroy()
      return
    }
    this.#endWith(request, socket)
    hold(request, this.#letGo)
    this.emit(event, request, socket, head)
  }

  /** Resolves when every request that it has been given is done. It must get no more of them. */
  retire (): Promise<void> {
    for (const request of this.#open.keys()) {
      // Node closes only the response whose turn it is, when a client leaves.
      const { socket } = request
      if (socket.destroyed) this.#open.delete(request)
      else this.#endWith(request, socket)
    }
    return this.#open.size === 0 ? Promise.resolve() : new Promise(resolve => { this.#retired = resolve })
  }

  #endWith (request: IncomingMessage, socket: Duplex): void {
    const onClose = (): void => this.#letGo(request)
    socket.once('close', onClose)
    this.#open.set(request, () => socket.off('close', onClose))
  }

  // ---- What Fastify asks of a server

  override listen (): this {
    Object.assign(this, { listening: true })
    process.nextTick(() => this.emit('listening'))
    return this
  }

  override address (): AddressInfo | string | null {
    return this.#connections.address()
  }

  override close (callback?: (error?: Error) => void): this {
    Object.assign(this, { listening: false })
    this.#connections.closed(this).then(() => {
      callback?.()
      this.emit('close')
    }, callback)
    return this
  }

  // The front's, and not for one generation to close.
  override closeIdleConnections (): void {}
  override closeAllConnections (): void {}
}
