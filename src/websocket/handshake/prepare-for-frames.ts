import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { readShared, unread } from '../../net/shared-reads.js'

/**
 * Milliseconds of silence after which the system probes a connection; Node makes it ten probes, a second apart. A
 * network that fails for ten seconds should not end a session that was used a moment ago.
 */
const KEEP_ALIVE_DELAY = 60_000

/**
 * Limits meant for HTTP end here, and a small frame is not to wait for another (Nagle). The system probes a connection
 * on which nothing is under way. A Ping that comes first is something, and the system's questions would never be asked.
 */
export function prepareForFrames (socket: Duplex, head: Buffer, pingInterval: number | false): Duplex {
  if ('setTimeout' in socket) {
    (socket as Socket).setTimeout(0).setNoDelay(true)
    if (pingInterval === false || pingInterval > KEEP_ALIVE_DELAY) (socket as Socket).setKeepAlive(true, KEEP_ALIVE_DELAY)
  }
  unread(socket, head)
  return readShared(socket)
}
