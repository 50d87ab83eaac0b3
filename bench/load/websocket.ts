import type { Socket } from 'node:net'
import type { ClosedLoop, Worker } from './closed-loop.js'
import { buffer, connectTo, type Address } from './connect.js'
import { closeFrame, handshake, messageFrame } from './frames.js'

const END_OF_HEAD = '\r\n\r\n'

/**
 * Opens a WebSocket.
 *
 * @param onBytes Told of what comes behind the 101.
 */
function openWebSocket (address: Address, path: string, onBytes: (length: number) => void, onError: (error: Error) => void): Promise<Socket> {
  return new Promise((resolve, reject) => {
    let head = ''
    let isOpen = false
    const socket = connectTo(address, length => {
      if (isOpen) return onBytes(length)
      head += buffer.toString('latin1', 0, length)
      const end = head.indexOf(END_OF_HEAD)
      if (end === -1) return
      if (!head.startsWith('HTTP/1.1 101')) {
        socket.destroy(new Error(`the handshake was refused: ${head.slice(0, 200)}`))
        return
      }
      isOpen = true
      resolve(socket)
      if (head.length > end + END_OF_HEAD.length) onBytes(head.length - end - END_OF_HEAD.length)
    }, () => socket.write(handshake(path, address.port)))
    const fail = (error: Error) => {
      if (isOpen) onError(error)
      else reject(error)
    }
    socket.on('error', fail)
    socket.on('close', () => fail(new Error('the proxy has closed a WebSocket')))
  })
}

/** Sends a message and waits for its echo. */
export class Echo implements Worker {
  readonly #loop: ClosedLoop
  readonly #address: Address
  readonly #size: number
  readonly #message: Buffer
  readonly #responseLength: number
  #socket: Socket | undefined
  #received = 0
  #begun = 0

  constructor (loop: ClosedLoop, address: Address, size: number) {
    this.#loop = loop
    this.#address = address
    this.#size = size
    this.#message = messageFrame(size, true)
    this.#responseLength = messageFrame(size, false).length
  }

  async open (): Promise<void> {
    this.#socket = await openWebSocket(this.#address, `/echo/${this.#size}`, length => this.#read(length), error => this.#loop.fail(error))
  }

  begin (): void {
    this.#begun = performance.now()
    this.#socket!.write(this.#message)
  }

  destroy (): void {
    this.#socket?.destroy()
  }

  #read (length: number): void {
    this.#received += length
    if (this.#received < this.#responseLength) return
    this.#received -= this.#responseLength
    if (this.#loop.completed(this.#begun)) this.begin()
  }
}

/** Opens a WebSocket, closes it politely, and waits for the end of the connection. */
export class Handshake implements Worker {
  readonly #loop: ClosedLoop
  readonly #address: Address
  #socket: Socket | undefined

  constructor (loop: ClosedLoop, address: Address) {
    this.#loop = loop
    this.#address = address
  }

  async open (): Promise<void> {}

  begin (): void {
    const begun = performance.now()
    let received = 0
    openWebSocket(this.#address, '/close', length => { received += length }, error => this.#loop.fail(error)).then(socket => {
      this.#socket = socket
      socket.removeAllListeners('close').once('close', () => {
        if (received !== closeFrame(false).length) this.#loop.fail(new Error(`the Close was not answered: ${received} bytes`))
        else if (this.#loop.completed(begun)) this.begin()
      })
      socket.write(closeFrame(true))
    }, error => this.#loop.fail(error))
  }

  destroy (): void {
    this.#socket?.destroy()
  }
}

const AT_ONCE = 50

/** Opens sessions that do nothing, and gives what ends them. */
export async function openIdle (address: Address, sessions: number): Promise<() => void> {
  const open: Socket[] = []
  let failure: Error | undefined
  while (open.length < sessions) {
    open.push(...await Promise.all(Array.from({ length: Math.min(AT_ONCE, sessions - open.length) },
      () => openWebSocket(address, '/echo/64', () => {}, error => { failure ??= error }))))
    if (failure !== undefined) throw failure
  }
  return () => { for (const socket of open) socket.removeAllListeners('close').destroy() }
}
