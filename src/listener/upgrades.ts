import { ServerResponse, type IncomingMessage, type Server } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import type { LastResponses } from './last-responses.js'
import { prepareTarget } from '../message/request-target.js'
import { newestResponse, waitForResponses } from './response-order.js'
import { routedPaths } from './routed-paths.js'
import { hasBody, listsToken } from '../message/headers.js'
import { refuseDraining } from './draining.js'
import { asksForWebSocket } from '../message/upgrade-request.js'
import { letGo } from './held-requests.js'
import type { PendingUpgrade } from './pending-upgrade.js'
import { completed } from './injected-upgrade.js'
import { isLateUpgrade, upgradeLate } from './late-upgrade.js'
import { linger } from './linger.js'

type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/**
 * The one 'upgrade' listener of a server.
 *
 * It sends each WebSocket handshake through the app's router, so that hooks written for HTTP hold for it
 * too, and gives every other request with an Upgrade header back to HTTP. Listeners of neighbours
 * (@fastify/websocket, socket.io, ws), registered before or after, are taken off the server and asked
 * first; an upgrade that they respond to is theirs.
 */
export class Upgrades {
  readonly #server: Server
  readonly #routing: (request: IncomingMessage, response: ServerResponse) => void
  readonly #lastResponses: LastResponses
  readonly #ignore: Array<(request: IncomingMessage) => boolean> = []
  readonly #pending = new WeakMap<IncomingMessage, PendingUpgrade>()
  readonly #prepared = new WeakSet<ServerResponse>()
  /** Those that were made here, not by a neighbour. */
  readonly #own = new WeakSet<ServerResponse>()
  readonly #neighbours: UpgradeListener[] = []
  #closing = false
  readonly #onUpgrade: UpgradeListener = (request, socket, head) => this.#dispatch(completed(request, socket), socket, head)

  /** @param routing Runs a request through the router and the lifecycle of the app. */
  constructor (server: Server, routing: (request: IncomingMessage, response: ServerResponse) => void, lastResponses: LastResponses) {
    this.#server = server
    this.#routing = routing
    this.#lastResponses = lastResponses
    // By default Node hides what stands behind the thousandth header, though it counts: a body's length would
    // be lost on the way, and the body be taken for another request. The size of a head is limited anyway.
    server.maxHeadersCount ??= 0
    server.on('upgrade', this.#onUpgrade)
    this.#adopt()
    server.on('newListener', (event: string) => {
      // The listener is added after this event; no request can come between.
      if (event === 'upgrade') queueMicrotask(() => this.#adopt())
    })
    this.#leaveBodiesToHttp()
  }

  /** Leaves some upgrades to the server's other listeners. What one scope of an app says of it holds for the server. */
  ignore (isOthers: (request: IncomingMessage) => boolean): void {
    this.#ignore.push(isOthers)
  }

  /** The app closes: handshakes that are no neighbour's are refused from now on, since its router would not tell when to come back. */
  close (): void {
    this.#closing = true
  }

  /** Hands over the connection of an upgrade request, once. Whoever takes it must respond. */
  take (request: IncomingMessage): PendingUpgrade | undefined {
    const pending = this.#pending.get(request)
    this.#pending.delete(request)
    return pending
  }

  /** As `take`, but also for a request in which Node has seen no upgrade, since Connection does not list it. */
  async takeLate (request: IncomingMessage, response: ServerResponse): Promise<PendingUpgrade | undefined> {
    if (!this.#pending.has(request)) {
      const { socket } = request
      const isLast = (): boolean => newestResponse(socket) === response && !this.#lastResponses.isOver(socket)
      const pending = await upgradeLate(request, response, isLast)
      if (pending === undefined) return undefined
      socket.on('error', onSocketError)
      this.#pending.set(request, pending)
      this.prepare(request, response)
    }
    return this.take(request)
  }

  /**
   * Leaves an upgrade that no route knows to the other listeners. False if the request is not an upgrade, or if nobody is
   * left: a neighbour that has run the lifecycle itself, as @fastify/websocket does, waits for its response.
   */
  leave (request: IncomingMessage, response: ServerResponse): boolean {
    const others = this.#neighbours.length - (this.#own.has(response) ? 0 : 1)
    const pending = others > 0 ? this.take(request) : undefined
    if (pending === undefined) return false
    response.detachSocket(pending.socket as Socket)
    pending.release()
    return true
  }

  /**
   * Makes a response work on a connection that has left Node's HTTP server, once. It may be our own, or that
   * of a neighbour that has run the lifecycle.
   */
  prepare (request: IncomingMessage, response: ServerResponse): void {
    const pending = this.#pending.get(request)
    if (pending === undefined || this.#prepared.has(response)) return
    this.#prepared.add(response)
    const { socket } = pending
    response.shouldKeepAlive = false
    // Node forwards 'drain' only to a response of its own making; without it a long response stalls.
    const onDrain = (): void => { response.emit('drain') }
    socket.on('drain', onDrain)
    const { release } = pending
    pending.release = () => {
      release()
      // The connection outlives the response where it becomes a session's.
      socket.off('drain', onDrain)
    }
    response.on('finish', () => {
      // Not after a 101: then the connection is a session's.
      if (response.socket === null) return
      pending.release()
      linger(socket)
    })
  }

  #adopt (): void {
    for (const listener of this.#server.rawListeners('upgrade') as UpgradeListener[]) {
      if (listener === this.#onUpgrade) continue
      this.#server.removeListener('upgrade', listener)
      this.#neighbours.push(listener)
    }
  }

  /**
   * On Node versions that ask which requests are upgrades (22.21, 24.9 and later), the others that have a body stay in HTTP:
   * Node 26 could not take them back, for it has begun to read it. The property is what http.createServer makes of
   * its documented option of that name; an app that is there already leaves no other way in. All others take the
   * path over giveBack(), because Node drops what has come in one packet behind a request that is left to HTTP.
   */
  #leaveBodiesToHttp (): void {
    const server = this.#server as Server & { shouldUpgradeCallback?: (request: IncomingMessage) => boolean }
    const before = server.shouldUpgradeCallback
    if (before === undefined) return
    let left: IncomingMessage | undefined
    server.shouldUpgradeCallback = request => {
      if (!before.call(server, request)) return false
      if (!hasBody(request.headers) || this.#isForNeighbours(request)) return true
      left = request
      return false
    }
    // A client that has sent more must know that it is not served (RFC 9112 §9.6).
    const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
      if (request !== left) return
      left = undefined
      response.shouldKeepAlive = false
    }
    server.prependListener('request', onRequest)
  }

  #dispatch (request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (isLateUpgrade(request, socket, head)) return
    // Node has removed its own error listener; a reset during a hook must not end the process.
    socket.on('error', onSocketError)
    if (this.#lastResponses.isOver(socket)) return this.#lastResponses.leave(socket)
    prepareTarget(request, routedPaths(this.#server))
    const response = new ServerResponse(request)
    // Node hands over an upgrade even while responses to earlier requests are still being sent; they would get mixed up
    // with the 101.
    if (waitForResponses(socket, () => this.#dispatchNext(request, socket, head))) return
    // An earlier response that did not come through our listeners.
    if (isAssigned(socket, response)) {
      socket.destroy()
      return
    }
    if (!isHandshake(request)) {
      if (this.#isForNeighbours(request)) for (const neighbour of this.#neighbours) neighbour.call(this.#server, request, socket, head)
      else this.#giveBack(request, socket, head)
      return
    }
    const ignored = this.#ignore.some(ignore => ignore(request))
    const pending: PendingUpgrade = { socket, head, release () {}, leaveHttp: () => letGo(request) }
    this.#pending.set(request, pending)
    if (this.#neighbours.length > 0) {
      if (this.#offerToNeighbours(request, pending, response) || ignored) return
      shieldFromEnd(pending)
    } else if (ignored) {
      socket.destroy()
      return
    }
    response.assignSocket(socket as Socket)
    this.#own.add(response)
    this.prepare(request, response)
    if (this.#closing) refuseDraining(response)
    else this.#routing(request, response)
  }

  /** An upgrade behind other requests, whose responses are done. */
  #dispatchNext (request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // One of them was the connection's last, or the client has left.
    if (!socket.writable) return
    // Node has set the limit for a connection between two requests.
    if (socket instanceof Socket) socket.setTimeout(this.#server.timeout)
    socket.off('error', onSocketError)
    this.#dispatch(request, socket, head)
  }

  /** Asks the other listeners, and tells whether one of them has taken the upgrade. */
  #offerToNeighbours (request: IncomingMessage, { socket, head }: PendingUpgrade, response: ServerResponse): boolean {
    const written = bytesWritten(socket)
    for (const neighbour of this.#neighbours) {
      neighbour.call(this.#server, request, socket, head)
      if (this.#isTaken(request, socket, response, written)) return true
    }
    return false
  }

  /** A neighbour has responded, has run the lifecycle of the app itself, or is about to (engine.io, behind an async hook). */
  #isTaken (request: IncomingMessage, socket: Duplex, response: ServerResponse, written: number): boolean {
    if (!this.#pending.has(request) || socket.destroyed || !socket.writable || bytesWritten(socket) !== written) return true
    if ('_query' in request) return true
    // @fastify/websocket makes a response of its own.
    return isAssigned(socket, response)
  }

  /** Protocols that we do not speak, where somebody might. h2c is offered by default by curl and Java, and nobody minds. */
  #isForNeighbours (request: IncomingMessage): boolean {
    return this.#neighbours.length > 0 && !asksForWebSocket(request) && !listsToken(request.headers.upgrade, 'h2c')
  }

  /** Has Node read the request again, as the plain HTTP request that it also is. */
  #giveBack (request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const lines = [`${request.method} ${request.url} HTTP/${request.httpVersion}`]
    const { rawHeaders } = request
    for (let index = 0; index < rawHeaders.length; index += 2) {
      let value = rawHeaders[index + 1]!
      if (rawHeaders[index]!.toLowerCase() === 'connection') {
        // Without this token Node sees no upgrade. Upgrade itself stays: a route may want to say why it refuses.
        value = value.split(',').map(item => item.trim()).filter(item => item.toLowerCase() !== 'upgrade').join(', ')
        if (value === '') continue
      }
      lines.push(`${rawHeaders[index]}: ${value}`)
    }
    letGo(request)
    socket.removeListener('error', onSocketError)
    socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]))
    this.#server.emit(socket instanceof TLSSocket ? 'secureConnection' : 'connection', socket)
  }
}

/**
 * engine.io ends, after a second, every socket that nobody has written to, although the upgrade is not its
 * own. A target may take longer than that to respond.
 */
function shieldFromEnd (pending: PendingUpgrade): void {
  const { socket } = pending
  socket.end = () => socket
  pending.release = () => { delete (socket as Partial<Duplex>).end }
}

/**
 * A handshake by its form: what else asks for a WebSocket is refused as the plain request it is. A route that is not
 * strict takes one of HTTP/1.0, too; any other refuses it.
 */
function isHandshake (request: IncomingMessage): boolean {
  return request.method === 'GET' && (request.httpVersion === '1.1' || request.httpVersion === '1.0') && !hasBody(request.headers) && asksForWebSocket(request)
}

/** Whether a response stands on the connection, other than this one. */
function isAssigned (socket: Duplex, response: ServerResponse): boolean {
  try {
    // Throws ERR_HTTP_SOCKET_ASSIGNED then.
    response.assignSocket(socket as Socket)
    response.detachSocket(socket as Socket)
    return false
  } catch {
    return true
  }
}

const bytesWritten = (socket: Duplex): number => 'bytesWritten' in socket ? socket.bytesWritten as number : 0

function onSocketError (): void {
  // 'close' follows, and is heard wherever it matters.
}
