import type { Socket } from 'node:net'
import type { ClosedLoop, Worker } from './closed-loop.js'
import { buffer, connectTo, type Address } from './connect.js'

const END_OF_HEAD = 0x0d0a0d0a

/** Sends a request over a kept-alive connection and waits for the whole response. */
export class Exchange implements Worker {
  readonly #loop: ClosedLoop
  readonly #address: Address
  readonly #request: Buffer
  #socket: Socket | undefined
  /** Bytes of the body still to come, or undefined before the head. */
  #missing: number | undefined
  #head: Buffer | undefined
  /** Of the response before: the next one is most likely as long. */
  #headLength = 0
  #bodyLength = -1
  #begun = 0

  constructor (loop: ClosedLoop, address: Address, request: Buffer) {
    this.#loop = loop
    this.#address = address
    this.#request = request
  }

  open (): Promise<void> {
    return new Promise(resolve => {
      const socket = connectTo(this.#address, length => this.#read(length), resolve)
      socket.on('error', error => this.#loop.fail(error))
      socket.on('close', () => this.#loop.fail(new Error('the proxy has closed a kept-alive connection')))
      this.#socket = socket
    })
  }

  begin (): void {
    this.#begun = performance.now()
    this.#socket!.write(this.#request)
  }

  destroy (): void {
    this.#socket?.destroy()
  }

  #read (length: number): void {
    if (this.#missing === undefined) {
      if (this.#isResponseLikeBefore(length)) return this.#next()
      this.#readHead(length)
    } else {
      this.#missing -= length
    }
    if (this.#missing === undefined || this.#missing > 0) return
    if (this.#missing < 0) return this.#loop.fail(new Error('more came than was asked for'))
    this.#missing = undefined
    this.#next()
  }

  #next (): void {
    if (this.#loop.completed(this.#begun)) this.begin()
  }

  #isResponseLikeBefore (length: number): boolean {
    return this.#head === undefined && length === this.#headLength + this.#bodyLength &&
      buffer.readUInt32BE(this.#headLength - 4) === END_OF_HEAD && buffer[9] === 0x32
  }

  #readHead (length: number): void {
    const head = Buffer.concat([this.#head ?? Buffer.alloc(0), buffer.subarray(0, length)])
    const end = head.indexOf('\r\n\r\n')
    if (end === -1) {
      this.#head = head
      return
    }
    this.#head = undefined
    const text = head.toString('latin1', 0, end)
    const bodyLength = /^content-length: *(\d+)/im.exec(text)
    if (!text.startsWith('HTTP/1.1 200') || bodyLength === null) return this.#loop.fail(new Error(`a bad response: ${text}`))
    this.#headLength = end + 4
    this.#bodyLength = Number(bodyLength[1])
    this.#missing = this.#bodyLength - (head.length - this.#headLength)
  }
}

export function getRequest (path: string, port: number): Buffer {
  return Buffer.from(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n`)
}

export function uploadRequest (size: number, port: number): Buffer {
  const head = `POST /upload HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUser-Agent: bench\r\nContent-Type: application/octet-stream\r\nContent-Length: ${size}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), Buffer.alloc(size)])
}
