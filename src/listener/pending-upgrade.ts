import type { Duplex } from 'node:stream'

/** A connection that waits for the response to its upgrade request. */
export interface PendingUpgrade {
  socket: Duplex
  /** What the client sent behind its request. */
  head: Buffer
  /** Gives neighbours access to the socket again. Must be called before the response is written. */
  release (): void
  /** To be called when the connection becomes a session's, before the response is said to be finished. */
  leaveHttp (): void
}
