import type { Duplex } from 'node:stream'

/** A connection that waits for the response to its upgrade request. */
export interface PendingUpgrade {
  socket: Duplex
  /** What the client sent behind its request. */
  head: Buffer
  /** Lets neighbours at the socket again. To be called before it is answered. */
  release (): void
  /** To be called when the connection becomes a session's, before the response is said to be finished. */
  leaveHttp (): void
}
