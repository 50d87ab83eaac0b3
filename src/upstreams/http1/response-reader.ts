import type { ResponseHead } from '../../message/response.js'
import type { HeaderList } from '../../message/headers.js'
import { mayBeResponse, readResponseHead, readFields } from './response-head.js'
import { ChunkReader } from './chunks.js'
import { framingOf } from './framing.js'
import { HeadBytes } from './head-bytes.js'
import { isSwitch, readSwitch } from './lenient-switch.js'

/** Who is given the parts of a response. A chunk's memory is used again as soon as the call returns. */
export interface ResponseParts {
  /** A response before the response (RFC 9110 §15.2). */
  onInterim (head: ResponseHead): void
  onHead (head: ResponseHead): void
  onBody (chunk: Buffer): void
}

type State = 'head' | 'length' | 'chunks' | 'until end' | 'trailers' | 'over'

const NONE: HeaderList = []
const END_OF_LINE = Buffer.from('\r\n')
/** As many interim responses as one that says every second that it is at work sends within the longest usual wait. */
const MAX_INTERIM = 100

/**
 * Reads responses off a connection, one for each request, however their bytes arrive. It takes nothing that RFC
 * 9112 does not allow a sender, so that no response can be understood in two ways.
 */
export class ResponseReader {
  /** What is wrong with the response; nothing more is read of it. */
  fault: string | undefined
  /** The fault is that the head, or the trailers, are longer than they may be. */
  tooLarge = false
  /** Whether anything of the response, or of an interim one before it, has come. */
  begun = false
  /** The response is a 101 that was asked for; what stands behind it is of another protocol. */
  switching: ResponseHead | undefined
  /** Of a response that is over. */
  trailers = NONE
  /** Whether the connection may carry another request, and for how many seconds; behind the head. */
  persistent = false
  keepAlive: number | undefined
  /** A body may still come that must not, and whether it has been announced. */
  bodyless = false
  announcesBody = false
  /** The target authenticates the connection rather than the request. */
  authenticates = false
  readonly #parts: ResponseParts
  readonly #chunks: ChunkReader
  #state: State = 'over'
  #toHead = false
  #upgrade: boolean | 'lenient' = false
  readonly #head: HeadBytes
  #maxHeaderSize = 0
  /** The first line of a head has come. */
  #hasLine = false
  /** How many interim responses have come, and how long they were. */
  #interim = 0
  #interimSize = 0
  /** Bytes of the body still to come. */
  #missing = 0

  constructor (parts: ResponseParts) {
    this.#parts = parts
    this.#head = new HeadBytes()
    this.#chunks = new ChunkReader(chunk => parts.onBody(chunk))
  }

  /** The response is complete, or nobody wants it any more. */
  get over (): boolean {
    return this.#state === 'over'
  }

  /** Whether the end of the connection is that of the response. */
  get endsWithConnection (): boolean {
    return this.#state === 'until end'
  }

  get inHead (): boolean {
    return this.#state === 'head'
  }

  /**
   * Awaits a response.
   *
   * @param maxHeaderSize Bytes that its head may have, the interim responses before it together, and its trailers.
   * @param toHead To a HEAD: it has no body.
   * @param upgrade To a request for another protocol: it may be a 101, with 'lenient' one of any form.
   */
  begin (maxHeaderSize: number, toHead: boolean, upgrade: boolean | 'lenient' = false): void {
    this.#state = 'head'
    this.#upgrade = upgrade
    this.switching = undefined
    this.#toHead = toHead
    this.begun = false
    this.authenticates = false
    this.#maxHeaderSize = maxHeaderSize
    this.#head.limit = maxHeaderSize
    this.#head.begin()
    this.#interim = this.#interimSize = 0
    this.trailers = NONE
  }

  /** Reads no more of this response, not even of the bytes that it is reading. */
  abandon (): void {
    this.#state = 'over'
    this.#chunks.stop()
  }

  /** @returns How many bytes belong to the response; the others stand behind its end. */
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
        if (this.#chunks.over && this.#state === 'chunks') {
          this.#state = 'trailers'
          this.#head.begin(END_OF_LINE)
        }
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

  #readHead (bytes: Buffer, at: number): number {
    if (this.#upgrade === 'lenient' && isSwitch(this.#head.bytes, bytes, at)) return this.#readSwitch(bytes, at)
    const before = this.#head.length
    const end = this.#upToEmptyLine(bytes, at)
    if (end === undefined) {
      // Whoever speaks something else, or ends lines otherwise, may never send an empty line.
      if (before === 0) this.#hasLine = false
      if (this.fault === undefined && !this.#hasLine) this.#checkLine(before)
      return bytes.length
    }
    const { text } = this.#head
    const head = readResponseHead(text)
    if (head === undefined) return this.#fail('its head is not as RFC 9112 has it', at)
    if (head.status === 101) {
      // HTTP/1.0 knows no upgrade (RFC 9110 §7.8).
      if (!this.#upgrade || head.version !== '1.1') return this.#fail('it is a 101 that nobody asked for', at)
      this.switching = head
      this.#state = 'over'
      return end
    }
    if (head.status < 200) {
      this.#interimSize += text.length
      if (++this.#interim > MAX_INTERIM) return this.#fail(`more than ${MAX_INTERIM} interim responses came before it`, at)
      if (this.#interimSize > this.#maxHeaderSize) return this.#failTooLarge('the interim responses before it are', at)
      this.#parts.onInterim(head)
      return end
    }
    const framing = framingOf(head, this.#toHead)
    if (typeof framing === 'string') return this.#fail(framing, at)
    const { body, persistent, bodyless, announcesBody, keepAlive, authenticates } = framing
    this.persistent = persistent
    this.bodyless = bodyless
    this.announcesBody = announcesBody
    this.keepAlive = keepAlive
    this.authenticates = authenticates
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
    return end
  }

  /** @param from Where the bytes begin that have not been looked at before. */
  #checkLine (from: number): void {
    const { bytes } = this.#head
    if (!mayBeResponse(bytes, from)) this.fault = 'it is not HTTP'
    this.#hasLine = bytes.includes('\n', from)
  }

  /** A 101 whose form is its reader's business: where its head ends is certain, and it has no body. */
  #readSwitch (bytes: Buffer, at: number): number {
    const before = this.#head.length
    const all = Buffer.concat([this.#head.bytes, bytes.subarray(at)])
    const found = readSwitch(all)
    if ((found?.end ?? all.length) > this.#maxHeaderSize) return this.#failTooLarge('its head is', at)
    if (found === undefined) {
      this.#head.add(bytes.subarray(at))
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
    const end = this.#upToEmptyLine(bytes, at)
    if (end === undefined) return bytes.length
    const trailers = readFields(this.#head.text.split('\r\n'), 1)
    if (trailers === undefined) return this.#fail('its trailers are not as RFC 9112 has them', at)
    this.trailers = trailers
    this.#state = 'over'
    return end
  }

  /** Where the next empty line ends; undefined until it has come. */
  #upToEmptyLine (bytes: Buffer, at: number): number | undefined {
    const end = this.#head.take(bytes, at)
    if (this.#head.tooLong) this.#failTooLarge('its head or its trailers are', at)
    return end
  }

  #failTooLarge (what: string, at: number): number {
    this.tooLarge = true
    return this.#fail(`${what} longer than maxHeaderSize of the upstream, ${this.#maxHeaderSize} bytes`, at)
  }

  #fail (fault: string, at: number): number {
    this.fault = fault
    return at
  }
}
