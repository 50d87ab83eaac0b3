import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { TLS } from './connect.js'
import { closeFrame, messageFrame } from './frames.js'

/** Where the target listens, without and with TLS. */
export interface TargetPorts {
  port: number
  tlsPort: number
}

/**
 * The target behind every proxy, on bare sockets so that it is not what is measured. By path:
 *
 * - `/bytes/N`: a response of N bytes
 * - `/upload`: takes a body and answers when it has it all
 * - `/echo/N`: a WebSocket that answers each message of N bytes with one of N bytes
 * - `/close`: a WebSocket that answers the client's Close
 */
export async function startTarget ({ certFile, keyFile }: { certFile: string, keyFile: string }): Promise<TargetPorts> {
  const [cert, key] = await Promise.all([readFile(certFile), readFile(keyFile)])
  return {
    port: await listen(createServer({ noDelay: true }, serve)),
    tlsPort: await listen(createTlsServer({ ...TLS, cert, key, noDelay: true }, serve))
  }
}

async function listen (server: Server): Promise<number> {
  await new Promise<void>(resolve => server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, resolve))
  return (server.address() as AddressInfo).port
}

function serve (socket: Socket): void {
  const connection = new Connection(socket)
  socket.on('data', chunk => connection.read(chunk))
  // A proxy that is killed resets its connections.
  socket.on('error', () => socket.destroy())
}

const END_OF_HEAD = '\r\n\r\n'
const LAST_CHUNK = '0\r\n\r\n'

class Connection {
  readonly #socket: Socket
  #head: Buffer | undefined
  /** What reads the bytes behind the head, until it is done. */
  #body: ((chunk: Buffer) => void) | undefined

  constructor (socket: Socket) {
    this.#socket = socket
  }

  read (chunk: Buffer): void {
    if (this.#body !== undefined) return this.#body(chunk)
    const head = this.#head === undefined ? chunk : Buffer.concat([this.#head, chunk])
    const end = head.indexOf(END_OF_HEAD)
    if (end === -1) {
      this.#head = head
      return
    }
    this.#head = undefined
    this.#serve(head.toString('latin1', 0, end), head.subarray(end + END_OF_HEAD.length))
  }

  #serve (head: string, rest: Buffer): void {
    const pathAt = head.indexOf(' ') + 1
    const path = head.slice(pathAt, head.indexOf(' ', pathAt))
    if (path.startsWith('/bytes/')) {
      this.#socket.write(responseOf(Number(path.slice('/bytes/'.length))))
    } else if (path === '/upload') {
      this.#takeBody(head, rest)
    } else {
      this.#upgrade(head)
      this.#body = path === '/close' ? () => this.#socket.end(closeFrame(false)) : this.#echo(Number(path.slice('/echo/'.length)))
      if (rest.length > 0) this.#body(rest)
    }
  }

  #takeBody (head: string, rest: Buffer): void {
    const length = /^content-length: *(\d+)/im.exec(head)
    let missing = length === null ? Infinity : Number(length[1])
    this.#body = chunk => {
      missing -= chunk.length
      // What is sent is all zeros, so that nothing in it looks like the last chunk.
      if (length === null ? chunk.toString('latin1', Math.max(0, chunk.length - LAST_CHUNK.length)) !== LAST_CHUNK : missing > 0) return
      this.#body = undefined
      this.#socket.write(responseOf(2))
    }
    if (rest.length > 0) this.#body(rest)
  }

  #upgrade (head: string): void {
    const key = /^sec-websocket-key: *(\S+)/im.exec(head)?.[1] ?? ''
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
    this.#socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
  }

  #echo (size: number): (chunk: Buffer) => void {
    const { received, sent } = framesOf(size)
    let bytes = 0
    return chunk => {
      bytes += chunk.length
      for (; bytes >= received; bytes -= received) this.#socket.write(sent)
    }
  }
}

const answers = new Map<number, Buffer>()
function responseOf (size: number): Buffer {
  let answer = answers.get(size)
  if (answer === undefined) {
    const head = `HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nDate: ${new Date().toUTCString()}\r\nContent-Length: ${size}\r\n\r\n`
    answer = Buffer.concat([Buffer.from(head), Buffer.alloc(size, 'sluice')])
    answers.set(size, answer)
  }
  return answer
}

const frames = new Map<number, { received: number, sent: Buffer }>()
function framesOf (size: number): { received: number, sent: Buffer } {
  let pair = frames.get(size)
  if (pair === undefined) {
    pair = { received: messageFrame(size, true).length, sent: messageFrame(size, false) }
    frames.set(size, pair)
  }
  return pair
}
