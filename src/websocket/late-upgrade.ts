import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { PendingResponses } from '../pending-responses.js'
import type { PendingUpgrade } from './upgrades.js'

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
 * @returns Undefined where the connection cannot be had.
 */
export async function upgradeLate (request: IncomingMessage, response: ServerResponse, responses: PendingResponses): Promise<PendingUpgrade | undefined> {
  // Not while Node's parser is at work: it must not be called by what it calls.
  await new Promise(resolve => setImmediate(resolve))
  // A pipelined request waits for a response: it would be the next on the connection.
  const { socket, complete } = request
  if (!(socket instanceof Socket) || !complete || socket.destroyed || socket.isPaused() || responses.newest(socket) !== response || response.socket !== socket || response.headersSent) return undefined
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
    // Node's own listener for the end of the response takes its connection from it, and expects it to have one.
    beforeFinish () { if (response.socket === null) response.assignSocket(socket) }
  }
}

/** Takes the upgrade that stands for another request. Any other on its connection has been mixed up with it. */
export function isLateUpgrade (request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
  const upgrade = late.get(socket)
  if (upgrade === undefined) return false
  if (request.url === upgrade.path) upgrade.head = head
  return true
}
