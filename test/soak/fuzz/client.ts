import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { random, type Pick } from '../../helpers/random.js'
import { dial, dialPlain, type Address } from '../addresses.js'
import { reset } from './bad-target.js'
import { checkedExchange, checkedSession, checkedStreams } from './checked.js'
import { frames } from './frame-bytes.js'
import { http2Bytes } from './http2-bytes.js'
import { send } from './pieces.js'
import { chance, garbage, mutated, one, size } from './random-bytes.js'
import { handshakeBytes, request } from './request-bytes.js'
import { strangers, token } from './tokens.js'

/** How a connection went. */
export interface Outcome {
  kind: string
  /** What must not have happened. */
  fault?: string
  /** The first line of what was received, in short. */
  received: string
}

/** What a client does on its connection. */
const KINDS = ['checked', 'checked', 'checked session', 'requests', 'requests', 'requests', 'mutated', 'mutated', 'mutated', 'mutated', 'garbage', 'session', 'session', 'session']
/**
 * Before Node 24 some frames end the process of any HTTP/2 server of Node's, without a gateway in it: an assertion of
 * nghttp2 fails (nghttp2#2509), or one of Node's. There a client speaks HTTP/2 as it should, or not at all.
 */
const anyFrames = Number(process.versions.node.split('.')[0]) >= 24
const HTTP2_KINDS = ['checked streams', ...anyFrames ? ['http2', 'http2', 'http2'] : [], 'mutated', 'garbage']
/** So much is kept of what a client receives. */
const KEPT = 256 * 1024

/** The client of this number: the same bytes in the same pieces, for the same seed. */
export class FuzzClient {
  readonly kind: string
  readonly #pick: Pick
  readonly #seed: number
  readonly #number: number
  readonly #address: Address
  readonly #chunks: Buffer[] = []
  #received = 0
  #tokens = 0

  constructor (seed: number, number: number, addresses: Record<string, Address>) {
    this.#seed = seed
    this.#number = number
    this.#pick = random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b))
    const name = one(this.#pick, LISTENERS)
    this.#address = addresses[name]!
    const http2 = name === 'h2c' || (name === 'http2' && chance(this.#pick, 50))
    this.kind = `${name}: ${this.#address.tls === true && chance(this.#pick, 8) ? 'no TLS' : one(this.#pick, http2 ? HTTP2_KINDS : KINDS)}`
    this.#address = { ...this.#address, protocols: [http2 ? 'h2' : 'http/1.1'] }
  }

  async run (): Promise<Outcome> {
    const [, what] = this.kind.split(': ')
    const socket = what === 'no TLS' ? dialPlain(this.#address) : dial(this.#address)
    let failure: NodeJS.ErrnoException | undefined
    socket.on('error', error => { failure ??= error })
    let fault: string | undefined
    try {
      await once(socket, what === 'no TLS' || this.#address.tls !== true ? 'connect' : 'secureConnect')
      fault = await this.#talk(what!, socket)
    } catch (error) {
      fault = `${(error as NodeJS.ErrnoException).code ?? ''} ${(error as Error).message}`
    } finally {
      socket.destroy()
    }
    // A full backlog of a Unix socket.
    if (failure?.code === 'EAGAIN') return { kind: this.kind, received: 'EAGAIN' }
    const received = Buffer.concat(this.#chunks)
    const strange = strangers(this.#seed, this.#number, received)
    if (strange.length > 0) fault = `got what belongs to another: ${strange[0]}`
    return { kind: this.kind, ...fault === undefined ? {} : { fault }, received: what!.startsWith('checked') ? 'checked' : /^HTTP\/1\.1 \d{3}/.exec(received.toString('latin1', 0, 12))?.[0] ?? (received.length > 0 ? 'something' : 'nothing') }
  }

  async #talk (what: string, socket: Socket): Promise<string | undefined> {
    const pick = this.#pick
    const token = (): string => this.#token()
    switch (what) {
      case 'checked': return await checkedExchange(pick, socket, token)
      case 'checked session': return await checkedSession(pick, socket, token)
      case 'checked streams': return await checkedStreams(pick, socket, token)
    }
    const never = chance(pick, 10)
    if (never) socket.pause()
    else socket.on('data', chunk => this.#keep(chunk))
    switch (what) {
      case 'requests': await send(pick, socket, this.#requests()); break
      case 'mutated': await send(pick, socket, mutated(pick, this.#requests())); break
      case 'http2': await send(pick, socket, http2Bytes(pick, token)); break
      case 'session': await this.#session(socket, never); break
      case 'no TLS': await send(pick, socket, Buffer.concat([Buffer.from(one(pick, ['', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', '\x15\x03\x01\x00\x02\x02\x28', 'GET / HTTP/1.1\r\n\r\n']), 'latin1'), garbage(pick, size(pick, 2000))])); break
      default: await send(pick, socket, Buffer.concat([Buffer.from(one(pick, ['', '', 'GET ', 'GET / HTTP/1.1\r\n', ...anyFrames ? ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'] : []])), garbage(pick, size(pick, 3000))]))
    }
    await this.#end(socket)
  }

  #token (): string {
    return token(this.#seed, this.#number, this.#tokens++)
  }

  #requests (): Buffer {
    const count = chance(this.#pick, 3) ? 1 + this.#pick(100) : 1 + this.#pick(4)
    return Buffer.concat(Array.from({ length: count }, () => request(this.#pick, chance(this.#pick, 70) ? 'bad' : 'good', this.#token())))
  }

  /** A handshake with frames behind it: at once, or once it has been responded to. */
  async #session (socket: Socket, never: boolean): Promise<void> {
    const pick = this.#pick
    const mark = this.#token()
    const head = handshakeBytes(pick, chance(pick, 60) ? 'bad' : 'good', mark)
    const first = chance(pick, 15) ? mutated(pick, head) : head
    if (chance(pick, 25)) {
      await send(pick, socket, Buffer.concat([first, frames(pick, mark, true)]))
    } else {
      await send(pick, socket, first)
      const limit = 100 + pick(700)
      if (!never && this.#received === 0) await Promise.race([once(socket, 'data'), wait(limit)])
    }
    for (let count = pick(4); count > 0 && !socket.destroyed; count--) {
      await send(pick, socket, frames(pick, mark, true))
      await wait(pick(40))
    }
  }

  #keep (chunk: Buffer): void {
    if (this.#received < KEPT) this.#chunks.push(chunk)
    this.#received += chunk.length
  }

  /** One of the ways to leave. */
  async #end (socket: Socket): Promise<void> {
    const pick = this.#pick
    const gone = Promise.race([once(socket, 'close'), once(socket, 'end')]).catch(() => {})
    const over = (limit: number): Promise<unknown> => socket.closed || socket.readableEnded ? Promise.resolve() : Promise.race([gone, wait(limit)])
    // Most see at least the beginning of a response.
    if (!socket.isPaused() && this.#received === 0 && chance(pick, 70)) await Promise.race([once(socket, 'data').catch(() => {}), over(1500)])
    const longest = chance(pick, 2) ? 6000 : 200
    switch (pick(7)) {
      case 0: socket.end(); await over(pick(longest)); break
      case 1: reset(socket); break
      case 2: await over(pick(longest)); reset(socket); break
      case 3: await over(pick(longest)); break
      case 4: socket.end(); break
      case 5: socket.pause(); await wait(pick(longest)); break
      default: await over(longest)
    }
  }
}

/** The kinds of listener, as often as they are taken. */
const LISTENERS = ['tcp', 'tcp', 'tcp', 'unix', 'unix', 'unix', 'serverFactory', 'serverFactory', 'service', 'service', 'service', 'tls', 'tls', 'http2', 'http2', 'h2c', 'h2c']
