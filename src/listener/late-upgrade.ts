import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { letGo } from './held-requests.js'
import type { PendingUpgrade } from './pending-upgrade.js'

/** What waits for the connection of a request to be let go by Node's HTTP server. */
interface LateUpgrade {
  /** The path of the request that stands for it, which nobody can guess. */
  path: string
  head: Buffer | undefined
}

const late = new WeakMap<Duplex, LateUpgrade>()

/**
 * Has Node's HTTP server let go of the connection of a request in which its parser has seen no upgrade, because
 * Connection does not list it. A server lets go of a connection on an upgrade request alone, so it is given one to
 * read, which stands for the request that is being served. To be called for a request without a body.
 *
 * @param isLast Whether nothing but this request has come on the connection.
 * @returns Undefined where the connection cannot be had.
 */
export async function upgradeLate (request: IncomingMessage, response: ServerResponse, isLast: () => boolean): Promise<PendingUpgrade | undefined> {
  // Not while Node's parser is at work: it must not be called by what it calls.
  await new Promise(resolve => setImmediate(resolve))
  const { socket } = request
  if (!(socket instanceof Socket) || socket.destroyed || socket.isPaused() || !request.complete || !isLast()) return undefined
  // Behind the last request of a connection the parser takes nothing.
  if (response.socket !== socket || response.headersSent || !response.shouldKeepAlive) return undefined
  const upgrade: LateUpgrade = { path: `/${randomUUID()}`, head: undefined }
  late.set(socket, upgrade)
  socket.unshift(`GET ${upgrade.path} HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n`)
  late.delete(socket)
  // The client had sent the beginning of another message: what was read now is a mixture of both.
  if (upgrade.head === undefined) {
    socket.destroy()
    return undefined
  }
  return {
    socket,
    head: upgrade.head,
    release () {},
    leaveHttp: () => {
      letGo(request)
      forgetKeepAlive(response)
    }
  }
}

/**
 * Takes off the response what Node's server does when a response of its own is done: it would take the connection, which
 * is a session's by now, for one that waits for its next request. The listener is the first that a response gets.
 */
function forgetKeepAlive (response: ServerResponse): void {
  const [first] = response.rawListeners('finish')
  if (first?.name === 'bound resOnFinish') response.off('finish', first as () => void)
}

/** Takes the upgrade that stands for another request. Any other on its connection has been mixed up with it. */
export function isLateUpgrade (request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
  const upgrade = late.get(socket)
  if (upgrade === undefined) return false
  if (request.url === upgrade.path) upgrade.head = head
  return true
}
