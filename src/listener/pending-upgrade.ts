import type { Duplex } from 'node:stream'

/** A connection that waits for the response to its upgrade request. */
export interface PendingUpgrade {
  socket: Duplex
  /** What the client sent behind its request. */
  head: Buffer
  /** Lets neighbours at the socket again. To be called before it is answered. */
  release (): void
  /** Where the response is Node's own: to be called before it is said to be finished, though the connection goes on. */
  beforeFinish? (): void
}
