import { BackOff } from './back-off.js'
import type { ClientMessage, ServerMessage, SessionView } from './protocol.js'

/** Milliseconds without a message, of which one comes every second, after which the connection counts as lost. */
const SILENCE = 8_000

export interface FeedListener {
  onMessage: (message: ServerMessage) => void
  onConnected: () => void
  /** The connection is lost, or could not be made. */
  onLost: (reason: string) => void
}

/** The connection to the gateway. It reconnects by itself. */
export class Feed {
  readonly #listener: FeedListener
  readonly #backOff = new BackOff()
  #socket: WebSocket | undefined
  #view: SessionView | undefined
  #retry: number | undefined
  #watch: number | undefined

  constructor (listener: FeedListener) {
    this.#listener = listener
    window.addEventListener('online', () => this.reconnect())
    // A browser stops the timers of a page that is not seen for long.
    document.addEventListener('visibilitychange', () => { if (!document.hidden && this.#socket === undefined) this.reconnect() })
  }

  /** Connects, without waiting for the next attempt that is due. */
  reconnect (): void {
    window.clearTimeout(this.#retry)
    if (this.#socket !== undefined) return
    const url = new URL('api/feed', document.baseURI)
    url.protocol = url.protocol.replace('http', 'ws')
    const socket = this.#socket = new WebSocket(url)
    socket.addEventListener('message', ({ data }) => { if (socket === this.#socket) this.#onMessage(JSON.parse(String(data)) as ServerMessage) })
    socket.addEventListener('close', ({ reason }) => this.#onClose(socket, reason))
    this.#expectMessage()
  }

  /** Says which sessions are to be sent, now and after every reconnection. */
  view (view: SessionView): void {
    this.#view = view
    this.#sendView()
  }

  #sendView (): void {
    if (this.#view === undefined || this.#socket?.readyState !== WebSocket.OPEN) return
    const message: ClientMessage = { type: 'view', sessions: this.#view }
    this.#socket.send(JSON.stringify(message))
  }

  #onMessage (message: ServerMessage): void {
    this.#expectMessage()
    if (message.type === 'hello') {
      this.#backOff.reset()
      this.#sendView()
      this.#listener.onConnected()
    }
    this.#listener.onMessage(message)
  }

  #expectMessage (): void {
    window.clearTimeout(this.#watch)
    const socket = this.#socket
    this.#watch = window.setTimeout(() => {
      if (socket === undefined) return
      // Its 'close' can take long to come when the network is gone.
      socket.close()
      this.#onClose(socket, 'nothing was received for some seconds')
    }, SILENCE)
  }

  #onClose (socket: WebSocket, reason: string): void {
    if (socket !== this.#socket) return
    this.#socket = undefined
    window.clearTimeout(this.#watch)
    this.#retry = window.setTimeout(() => this.reconnect(), this.#backOff.next())
    this.#listener.onLost(reason)
  }
}
