import type { Duplex } from 'node:stream'
import { ClientLeftError } from '../../errors.js'
import { Cancellation } from '../../net/cancellation.js'

/**
 * The client of a handshake that has no response yet. Node leaves its socket paused, so that its leaving would
 * go unnoticed and a target be dialled for nobody.
 */
export class WaitingClient {
  /** Whether the client has left: by a reset, or by ending its half, behind which no WebSocket can follow. */
  left = false
  /** Cancelled when the client has left. */
  readonly cancellation = new Cancellation()
  readonly #socket: Duplex

  constructor (socket: Duplex) {
    this.#socket = socket
    // Reads up to the socket's high-water mark and takes nothing out: early frames wait there for the 101. Behind
    // more of them than that, and an end behind any, its leaving is noticed only when the target has responded.
    socket.on('readable', this.#onReadable).on('end', this.#onLeft).on('close', this.#onLeft)
    if (socket.destroyed || socket.readableEnded) this.#onLeft()
  }

  /** Ends the wait; the socket is as it was. */
  settle (): void {
    this.#socket.off('readable', this.#onReadable).off('end', this.#onLeft).off('close', this.#onLeft)
  }

  readonly #onReadable = (): void => {
    // The end is announced only to a read that finds nothing.
    if (this.#socket.readableLength === 0) this.#socket.read()
  }

  readonly #onLeft = (): void => {
    this.left = true
    this.cancellation.cancel(new ClientLeftError())
  }
}
