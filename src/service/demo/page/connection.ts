import { BackOff } from '../../../admin/page/back-off.js'

/** How a WebSocket of the page has ended, and in how many milliseconds the next one follows. */
export interface ConnectionEnd {
  /** What the browser says. */
  code: number
  reason: string
  wasClean: boolean
  /** Whether it had been open. */
  wasOpen: boolean
  wait: number
}

export interface ConnectionListener {
  onConnecting: () => void
  onOpen: (protocol: string) => void
  onMessage: (text: string) => void
  onEnd: (end: ConnectionEnd) => void
}

/** A WebSocket that comes back by itself after each end. */
export class Connection {
  readonly #path: string
  readonly #protocols: string[]
  readonly #listener: ConnectionListener
  readonly #backOff = new BackOff()
  #socket: WebSocket | undefined
  #retry: number | undefined

  constructor (path: string, protocols: string[], listener: ConnectionListener) {
    this.#path = path
    this.#protocols = protocols
    this.#listener = listener
    window.addEventListener('online', () => this.connect())
    // A browser delays the timers of a page that is not seen.
    document.addEventListener('visibilitychange', () => { if (!document.hidden) this.connect() })
  }

  get isOpen (): boolean {
    return this.#socket?.readyState === WebSocket.OPEN
  }

  /** Connects, without waiting for the next attempt that is due. */
  connect (): void {
    window.clearTimeout(this.#retry)
    if (this.#socket !== undefined) return
    const url = new URL(this.#path, location.href)
    url.protocol = url.protocol.replace('http', 'ws')
    const socket = this.#socket = new WebSocket(url, this.#protocols)
    let wasOpen = false
    this.#listener.onConnecting()
    socket.addEventListener('open', () => {
      wasOpen = true
      this.#listener.onOpen(socket.protocol)
    })
    socket.addEventListener('message', ({ data }) => {
      this.#backOff.reset()
      this.#listener.onMessage(String(data))
    })
    socket.addEventListener('close', ({ code, reason, wasClean }) => {
      this.#socket = undefined
      const wait = this.#backOff.next()
      this.#retry = window.setTimeout(() => this.connect(), wait)
      this.#listener.onEnd({ code, reason, wasClean, wasOpen, wait })
    })
  }

  send (text: string): void {
    if (this.isOpen) this.#socket!.send(text)
  }
}
