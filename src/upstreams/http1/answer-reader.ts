import type { AnswerHead } from '../answer.js'
import type { HeaderList } from '../headers.js'
import { MAX_HEAD, mayBeAnswer, readAnswerHead, readFields } from './answer-head.js'
import { isSwitch, readSwitch } from './lenient-switch.js'
import { ChunkReader } from './chunks.js'
import { framingOf } from './framing.js'

/** Who is given the parts of an answer. A chunk's memory is used again as soon as the call returns. */
export interface AnswerParts {
  /** An answer before the answer (RFC 9110 §15.2). */
  onInterim (head: AnswerHead): void
  onHead (head: AnswerHead): void
  onBody (chunk: Buffer): void
}

type State = 'head' | 'length' | 'chunks' | 'until end' | 'trailers' | 'over'

const NOTHING = Buffer.alloc(0)
const NONE: HeaderList = []
const END_OF_LINE = Buffer.from('\r\n')
const END_OF_HEAD = Buffer.from('\r\n\r\n')

/**
 * Reads answers off a connection, one for each request, however their bytes arrive. It takes nothing that RFC
 * 9112 does not allow a sender, so that no answer can be understood in two ways.
 */
export class AnswerReader {
  /** What is wrong with the answer; nothing more is read of it. */
  fault: string | undefined
  /** Whether anything of the answer, or of an interim one before it, has come. */
  begun = false
  /** The answer is a 101 that was asked for; what stands behind it is of another protocol. */
  switching: AnswerHead | undefined
  /** Of an answer that is over. */
  trailers = NONE
  /** Whether the connection may carry another request, and for how many seconds; behind the head. */
  persistent = false
  keepAlive: number | undefined
  readonly #parts: AnswerParts
  readonly #chunks: ChunkReader
  #state: State = 'over'
  #bodyless = false
  #upgrade: boolean | 'lenient' = false
  /** What has arrived of a head or of trailers. */
  #partial: Buffer = NOTHING
  /** Bytes of the body still to come. */
  #missing = 0

  constructor (parts: AnswerParts) {
    this.#parts = parts
    this.#chunks = new ChunkReader(chunk => parts.onBody(chunk))
  }

  /** The answer is complete, or nobody wants it any more. */
  get over (): boolean {
    return this.#state === 'over'
  }

  /** Whether the end of the connection is that of the answer. */
  get endsWithConnection (): boolean {
    return this.#state === 'until end'
  }

  get inHead (): boolean {
    return this.#state === 'head'
  }

  /**
   * Awaits an answer.
   *
   * @param bodyless To a HEAD: it has no body.
   * @param upgrade To a request for another protocol: it may be a 101, with 'lenient' one of any form.
   */
  begin (bodyless: boolean, upgrade: boolean | 'lenient' = false): void {
    this.#state = 'head'
    this.#upgrade = upgrade
    this.switching = undefined
    this.#bodyless = bodyless
    this.begun = false
    this.#partial = NOTHING
    this.trailers = NONE
  }

  /** Reads no more of this answer, not even of the bytes that it is reading. */
  abandon (): void {
    this.#state = 'over'
    this.#chunks.stop()
  }

  /** @returns How many bytes belong to the answer; the others stand behind its end. */
  read (bytes: Buffer): number {
    let at = 0
    this.begun = true
    while (at < bytes.length && !this.over && this.fault === undefined) at = this.#readPart(bytes, at)
    return at
  }

  #readPart (bytes: Buffer, at: number): number {
    switch (this.#state) {
      case 'head':
        return this.#readHead(bytes, at)
      case 'length':
        return this.#readLength(bytes, at)
      case 'chunks':
        at = this.#chunks.read(bytes, at)
        this.fault = this.#chunks.fault
        // A line that is empty ends the trailers, also where there are none before it.
        if (this.#chunks.over && this.#state === 'chunks') this.#await('trailers', END_OF_LINE)
        return at
      case 'until end':
        this.#parts.onBody(at === 0 ? bytes : bytes.subarray(at))
        return bytes.length
      case 'trailers':
        return this.#readTrailers(bytes, at)
      default:
        return at
    }
  }

  #await (state: 'head' | 'trailers', partial: Buffer): void {
    this.#state = state
    this.#partial = partial
  }

  #readHead (bytes: Buffer, at: number): number {
    if (this.#upgrade === 'lenient' && isSwitch(this.#partial, bytes, at)) return this.#readSwitch(bytes, at)
    const found = this.#upToEmptyLine(bytes, at)
    if (found === undefined) {
      // Whoever speaks something else, or ends lines otherwise, may never send an empty line.
      if (!mayBeAnswer(this.#partial)) this.fault ??= 'it is not HTTP'
      return bytes.length
    }
    const head = readAnswerHead(found.text)
    if (head === undefined) return this.#fail('its head is not as RFC 9112 has it', at)
    if (head.status === 101) {
      // HTTP/1.0 knows no upgrade (RFC 9110 §7.8).
      if (!this.#upgrade || head.version !== '1.1') return this.#fail('it is a 101 that nobody asked for', at)
      this.switching = head
      this.#state = 'over'
      return found.end
    }
    if (head.status < 200) {
      this.#parts.onInterim(head)
      return found.end
    }
    const framing = framingOf(head, this.#bodyless)
    if (typeof framing === 'string') return this.#fail(framing, at)
    const { body, persistent, keepAlive } = framing
    this.persistent = persistent
    this.keepAlive = keepAlive
    if (body === 'chunked') {
      this.#chunks.begin()
      this.#state = 'chunks'
    } else if (body === 'until end') {
      this.#state = 'until end'
    } else {
      this.#missing = body
      this.#state = 'length'
    }
    this.#parts.onHead(head)
    if (body === 0) this.#state = 'over'
    return found.end
  }

  /** A 101 whose form is its reader's business: where its head ends is certain, and it has no body. */
  #readSwitch (bytes: Buffer, at: number): number {
    const before = this.#partial.length
    const all = Buffer.concat([this.#partial, bytes.subarray(at)])
    const found = readSwitch(all)
    if ((found?.end ?? all.length) > MAX_HEAD) return this.#fail('its head is too long', at)
    if (found === undefined) {
      this.#partial = all
      return bytes.length
    }
    this.switching = found.head
    this.#state = 'over'
    return at + found.end - before
  }

  #readLength (bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#missing)
    this.#missing -= end - at
    this.#parts.onBody(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end))
    if (this.#missing === 0) this.#state = 'over'
    return end
  }

  #readTrailers (bytes: Buffer, at: number): number {
    const found = this.#upToEmptyLine(bytes, at)
    if (found === undefined) return bytes.length
    const lines = found.text.split('\r\n')
    const trailers = readFields(lines, 1)
    if (trailers === undefined) return this.#fail('its trailers are not as RFC 9112 has them', at)
    this.trailers = trailers
    this.#state = 'over'
    return found.end
  }

  /** The text before the next empty line, and where that ends; undefined until all of it has arrived. */
  #upToEmptyLine (bytes: Buffer, at: number): { text: string, end: number } | undefined {
    const before = this.#partial.length
    const rest = at === 0 ? bytes : bytes.subarray(at)
    const all = before === 0 ? rest : Buffer.concat([this.#partial, rest])
    const end = all.indexOf(END_OF_HEAD, Math.max(0, before - END_OF_HEAD.length + 1))
    // The last bytes may begin the empty line.
    if ((end === -1 ? all.length - END_OF_HEAD.length + 1 : end) > MAX_HEAD) {
      this.fault = 'its head or its trailers are too long'
      return undefined
    }
    if (end === -1) {
      // The bytes may be gone when the next ones come.
      this.#partial = before === 0 ? Buffer.from(all) : all
      return undefined
    }
    this.#partial = NOTHING
    return { text: all.toString('latin1', 0, end), end: at + end + END_OF_HEAD.length - before }
  }

  #fail (fault: string, at: number): number {
    this.fault = fault
    return at
  }
}
