import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** What a test needs to clean up after itself: `t.teardown`. */
export interface Teardown { teardown (fn: () => unknown): void }

/** A frame, taken apart; its payload unmasked. */
export interface Frame { first: number, opcode: number, fin: boolean, masked: boolean, payload: Buffer }

/** The head of an HTTP message. */
export interface Head { start: string, headers: Array<[name: string, value: string]> }

/** One end of a TCP connection whose bytes a test writes and reads itself. */
export class Wire {
  readonly socket: Socket
  /** The other side has sent FIN. */
  ended = false
  closed = false
  error: NodeJS.ErrnoException | undefined
  #chunks: Buffer[] = []
  #length = 0
  readonly #waiting = new Map<() => void, string>()

  constructor (t: Teardown, socket: Socket) {
    this.socket = socket
    const wake = () => { for (const check of this.#waiting.keys()) check() }
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.#length += chunk.length
      wake()
    })
    socket.on('end', () => { this.ended = true; wake() })
    socket.on('error', error => { this.error = error })
    socket.on('close', () => { this.closed = true; wake() })
    t.teardown(() => {
      // Where a test runs out of time, this is what it waited for.
      for (const wanted of this.#waiting.values()) console.error(`# still waiting for ${wanted}, with ${this.#length} bytes unread`)
      socket.destroy()
    })
  }

  /** @param from The address to connect from, of this machine. */
  static async connect (t: Teardown, port: number, from = '127.0.0.1'): Promise<Wire> {
    const socket = connect({ port, host: '127.0.0.1', localAddress: from, allowHalfOpen: true })
    await once(socket, 'connect')
    return new Wire(t, socket)
  }

  /** Bytes that have arrived and have not been read. */
  get length (): number {
    return this.#length
  }

  write (data: string | Buffer): this {
    this.socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data)
    return this
  }

  /** FIN. */
  end (): this {
    this.socket.end()
    return this
  }

  /** RST. */
  reset (): void {
    this.socket.resetAndDestroy()
  }

  /** Reads exactly so many bytes. */
  async bytes (count: number): Promise<Buffer> {
    await this.#until(() => this.#length >= count, `${count} bytes`)
    const all = this.#joined()
    this.#keep(all.subarray(count))
    return all.subarray(0, count)
  }

  /** Reads up to the end of a head. */
  async head (): Promise<Head> {
    await this.#until(() => this.#joined().includes('\r\n\r\n'), 'a head')
    const all = this.#joined()
    const end = all.indexOf('\r\n\r\n')
    this.#keep(all.subarray(end + 4))
    const [start, ...lines] = all.toString('latin1', 0, end).split('\r\n')
    return {
      start: start!,
      headers: lines.map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()])
    }
  }

  async frame (): Promise<Frame> {
    const [first, second] = await this.bytes(2) as unknown as [number, number]
    const masked = (second & 0x80) !== 0
    let size = second & 0x7f
    if (size === 126) size = (await this.bytes(2)).readUInt16BE()
    else if (size === 127) size = Number((await this.bytes(8)).readBigUInt64BE())
    const mask = masked ? await this.bytes(4) : Buffer.alloc(4)
    const payload = Buffer.from(await this.bytes(size))
    for (let index = 0; index < size; index++) payload[index]! ^= mask[index & 3]!
    return { first, opcode: first & 0x0f, fin: (first & 0x80) !== 0, masked, payload }
  }

  /** The next frame, which must be a Close: its code and reason, separated by a space. */
  async close (): Promise<string> {
    const { opcode, payload } = await this.frame()
    if (opcode !== 8) throw new Error(`expected a Close, got a frame of opcode ${opcode}`)
    return payload.length === 0 ? '' : `${payload.readUInt16BE()} ${payload.toString('utf8', 2)}`.trim()
  }

  /** Everything up to the end of the connection, however it ends. */
  async rest (): Promise<string> {
    await this.#until(() => this.ended || this.closed, undefined)
    const all = this.#joined()
    this.#keep(Buffer.alloc(0))
    return all.toString('latin1')
  }

  /** Resolves when the other side has ended its half, or the connection is gone. */
  async over (): Promise<void> {
    await this.#until(() => this.ended || this.closed, undefined)
  }

  async gone (): Promise<void> {
    await this.#until(() => this.closed, undefined)
  }

  /** Resolves when there is something to read, or nothing more to come. */
  async some (): Promise<void> {
    await this.#until(() => this.#length > 0 || this.ended || this.closed, undefined)
  }

  /** Resolves when so many bytes wait to be read. */
  async has (count: number): Promise<void> {
    await this.#until(() => this.#length >= count, `${count} bytes`)
  }

  #joined (): Buffer {
    if (this.#chunks.length !== 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0]!
  }

  #keep (rest: Buffer): void {
    this.#chunks = [rest]
    this.#length = rest.length
  }

  /** Waits for a condition; where it is a number of bytes, the end of the connection is a failure. */
  #until (condition: () => boolean, wanted: string | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const check = () => {
        if (condition()) resolve()
        else if (wanted !== undefined && (this.ended || this.closed)) reject(new Error(`the connection ended before ${wanted}; got ${JSON.stringify(this.#joined().toString('latin1').slice(0, 300))} ${this.error?.code ?? ''}`))
        else return
        this.#waiting.delete(check)
      }
      this.#waiting.set(check, wanted ?? condition.toString())
      check()
    })
  }
}

/** A frame to write. `first` is its first byte: FIN, RSV and opcode. */
export function frame (first: number, payload: string | Buffer = '', { mask = false, key = randomBytes(4) }: { mask?: boolean, key?: Buffer } = {}): Buffer {
  const data = Buffer.from(payload as Buffer)
  const size = data.length
  const header = size < 126
    ? Buffer.from([first, size])
    : size < 65536
      ? Buffer.from([first, 126, size >> 8, size & 0xff])
      : Buffer.concat([Buffer.from([first, 127]), bigEndian(size)])
  if (!mask) return Buffer.concat([header, data])
  header[1]! |= 0x80
  for (let index = 0; index < size; index++) data[index]! ^= key[index & 3]!
  return Buffer.concat([header, key, data])
}

/** A frame as a client sends it. */
export function masked (first: number, payload: string | Buffer = '', key?: Buffer): Buffer {
  return frame(first, payload, { mask: true, ...(key !== undefined && { key }) })
}

/** The payload of a Close frame. */
export function closing (code: number, reason = ''): Buffer {
  return Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)])
}

function bigEndian (value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}

/** All values of a header, in order. */
export function valuesOf ({ headers }: Head, name: string): string[] {
  return headers.filter(([candidate]) => candidate.toLowerCase() === name.toLowerCase()).map(([, value]) => value)
}
