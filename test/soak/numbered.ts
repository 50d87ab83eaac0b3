import type { WebSocket } from 'ws'

/** How one end of a session went. */
export interface Outcome {
  sent: number
  received: number
  /** The first message that was not the next, or not whole. */
  fault: string | undefined
  code: number
  wasClean: boolean
}

/** How many messages are under way in each direction of a session. */
const WINDOW = 4

/**
 * One end of a busy session. It sends numbered messages, one for each that it gets, so that both directions
 * are always full and none runs ahead.
 */
export class Numbered {
  readonly over: Promise<Outcome>
  readonly #socket: WebSocket
  #sent = 0
  #received = 0
  #fault: string | undefined

  constructor (socket: WebSocket) {
    this.#socket = socket
    socket.binaryType = 'nodebuffer'
    socket.on('message', (data: Buffer) => {
      const wanted = messageOf(this.#received)
      if (!data.equals(wanted)) this.#fault ??= `message ${this.#received}: got ${data.length} bytes numbered ${data.length < 4 ? '?' : data.readUInt32BE()}`
      if (this.#sent === 0) this.begin()
      this.#received++
      this.#send()
    })
    socket.on('error', error => { this.#fault ??= error.message })
    this.over = new Promise(resolve => {
      socket.addEventListener('close', ({ code, wasClean }) => resolve({ sent: this.#sent, received: this.#received, fault: this.#fault, code, wasClean }))
    })
  }

  /** Begins to talk; the other end does with the first message that it gets. */
  begin (): void {
    for (let count = 0; count < WINDOW; count++) this.#send()
  }

  get received (): number {
    return this.#received
  }

  #send (): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    const message = messageOf(this.#sent++)
    if (this.#sent % 8 !== 0) return this.#socket.send(message)
    // In three fragments.
    const third = Math.floor(message.length / 3)
    this.#socket.send(message.subarray(0, third), { fin: false })
    this.#socket.send(message.subarray(third, 2 * third), { fin: false })
    this.#socket.send(message.subarray(2 * third), { fin: true })
  }
}

/** A message by its number: mostly some hundred bytes, at times longer than a read. */
function messageOf (number: number): Buffer {
  const size = number % 40 === 39 ? 70_000 : 4 + (number * 7919) % 1500
  const message = Buffer.alloc(size, number & 0xff)
  message.writeUInt32BE(number)
  return message
}
