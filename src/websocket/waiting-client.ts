import type { Duplex } from 'node:stream'

/**
 * The client of a handshake that has no answer yet. Node leaves its socket paused, so that its leaving would
 * go unnoticed and a target be dialled for nobody.
 */
export class WaitingClient {
  /** Whether the client has left: by a reset, or by ending its half, behind which no WebSocket can follow. */
  left = false
  readonly #socket: Duplex
  readonly #stopping: AbortSignal
  readonly #abort = new AbortController()

  /** @param stopping Aborted when the gateway stops; ends the wait too. */
  constructor (socket: Duplex, stopping: AbortSignal) {
    this.#socket = socket
    this.#stopping = stopping
    // Reads up to the socket's high-water mark and takes nothing out: early frames wait there for the 101. Behind
    // more of them than that, and an end behind any, its leaving is noticed only when the target has answered.
    socket.on('readable', this.#onReadable).on('end', this.#onLeft).on('close', this.#onLeft)
    stopping.addEventListener('abort', this.#onStopping)
    if (socket.destroyed || socket.readableEnded) this.#onLeft()
    if (stopping.aborted) this.#onStopping()
  }

  /** Aborted when there is nobody left to answer, or nothing left to answer with. */
  get signal (): AbortSignal {
    return this.#abort.signal
  }

  /** Ends the wait; the socket is as it was. */
  settle (): void {
    this.#socket.off('readable', this.#onReadable).off('end', this.#onLeft).off('close', this.#onLeft)
    this.#stopping.removeEventListener('abort', this.#onStopping)
  }

  readonly #onReadable = (): void => {
    // An end is announced only to whoever reads and finds nothing.
    if (this.#socket.readableLength === 0) this.#socket.read()
  }

  readonly #onLeft = (): void => {
    this.left = true
    this.#abort.abort()
  }

  readonly #onStopping = (): void => { this.#abort.abort() }
}
