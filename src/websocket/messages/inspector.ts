import { AsyncResource } from 'node:async_hooks'
import { isUtf8 } from 'node:buffer'
import type { Deflate } from '../../message/extensions.js'
import type { MessageFunction } from '../../options/index.js'
import { drop, type MessageResult, type WebSocketSession } from '../../types.js'
import { CloseCode, messageFrame, Opcode } from '../relay/frames.js'
import type { Message } from '../relay/gathered-message.js'
import type { Fault, Verdict } from '../relay/message-direction.js'
import { deflate, inflate, inflatedAtMost, isWorthwhile } from './deflate.js'
import { HookedMessage, type Content } from './hooked-message.js'

/** What the hooks of one direction need to know. */
export interface InspectorOptions {
  hooks: readonly MessageFunction[]
  session: WebSocketSession
  /** How messages may be compressed; undefined for not at all. */
  deflate: Deflate | undefined
  /** Whether what goes on goes to a server. */
  toServer: boolean
  /** Bytes of the longest message, decompressed. */
  maxSize: number
  /** Milliseconds that the hooks of a message may take. */
  timeout: number
}

const NOT_UTF8: Fault = { violation: 'a text message that is not UTF-8', code: CloseCode.invalidData }
const NOT_AGREED: Fault = { violation: 'a compressed message, which was not agreed on', code: CloseCode.protocolError }

/** Has the hooks of a route look at the messages of one side, in their order. */
export class Inspector {
  readonly #options: InspectorOptions
  /** Sockets have async contexts of their own; hooks run in that of the handshake. */
  readonly #context = new AsyncResource('SluiceMessageHooks')
  /** Resolves when the hooks of the last message have begun that was not decompressed at once. */
  #turn: Promise<unknown> | undefined
  #failed = false

  constructor (options: InspectorOptions) {
    this.#options = options
  }

  /**
   * @throws What a hook throws.
   * @throws {TypeError} for what no hook may return.
   */
  readonly inspect = (message: Message): Verdict | Promise<Verdict> => {
    const { payload, binary, compressed } = message
    const { deflate, maxSize } = this.#options
    if (compressed && deflate === undefined) return NOT_AGREED
    const data = compressed ? inflate(payload, maxSize) : payload
    if (data instanceof Promise) message.size += inflatedAtMost(payload, maxSize)
    else if (compressed && Buffer.isBuffer(data)) message.size += data.length
    return data instanceof Promise || this.#turn !== undefined ? this.#inTurn(data, binary) : this.#begin(data, binary)
  }

  /** Behind a message that is being decompressed, others wait: hooks begin in the order of their messages. */
  #inTurn (data: Buffer | Fault | Promise<Buffer | Fault>, binary: boolean): Promise<Verdict> {
    const before = this.#turn
    // In an object, a verdict is not waited for.
    const begin = async (): Promise<{ verdict: Verdict | Promise<Verdict> }> => {
      const inflated = await data
      await before
      return { verdict: this.#failed ? 'drop' : this.#begin(inflated, binary) }
    }
    const turn = begin()
    const over = (): void => { if (this.#turn === turn) this.#turn = undefined }
    turn.then(over, over)
    this.#turn = turn
    return turn.then(({ verdict }) => verdict)
  }

  #begin (data: Buffer | Fault, binary: boolean): Verdict | Promise<Verdict> {
    const fault = !Buffer.isBuffer(data) ? data : !binary && !isUtf8(data) ? NOT_UTF8 : undefined
    if (fault === undefined) return this.#context.runInAsyncScope(this.#check, this, { bytes: data as Buffer, binary })
    this.#failed = true
    return fault
  }

  #check (original: Content): Verdict | Promise<Verdict> {
    const { hooks } = this.#options
    let content = original
    for (let index = 0; index < hooks.length; index++) {
      const result = this.#call(index, content)
      if (isPromise(result)) return this.#inTime(this.#checkRest(original, content, result, index + 1))
      if (result === drop) return 'drop'
      content = replaced(content, result)
    }
    return content === original ? 'pass' : this.#frameOf(content)
  }

  /** Waits for a hook, and calls those behind it. */
  async #checkRest (original: Content, content: Content, pending: PromiseLike<MessageResult>, next: number): Promise<Verdict> {
    let result = await pending
    for (let index = next; ; index++) {
      if (result === drop) return 'drop'
      content = replaced(content, result)
      if (index === this.#options.hooks.length) return content === original ? 'pass' : this.#frameOf(content)
      result = await this.#call(index, content)
    }
  }

  #call (index: number, content: Content): MessageResult | PromiseLike<MessageResult> {
    const { hooks, session } = this.#options
    // The last may have the bytes themselves: nobody looks at them any more.
    return hooks[index]!(new HookedMessage(content, index === hooks.length - 1), session)
  }

  async #inTime (verdict: Promise<Verdict>): Promise<Verdict> {
    const { timeout } = this.#options
    let timer: NodeJS.Timeout
    const tooLate = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`a hook for messages has taken longer than ${timeout} ms ('messages.timeout')`)), timeout)
      // A session lives by its sockets, not by this.
      timer.unref()
    })
    return Promise.race([verdict, tooLate]).finally(() => clearTimeout(timer))
  }

  #frameOf ({ bytes, binary }: Content): Buffer | Promise<Buffer> {
    const { toServer, deflate: agreed } = this.#options
    const opcode = binary ? Opcode.binary : Opcode.text
    const bits = toServer ? agreed?.clientBits : agreed?.serverBits
    if (bits === undefined || !isWorthwhile(bytes, bits)) return messageFrame(opcode, bytes, toServer)
    return deflate(bytes, bits).then(payload => messageFrame(opcode, payload, toServer, true))
  }
}

function isPromise (result: MessageResult | PromiseLike<MessageResult>): result is PromiseLike<MessageResult> {
  return typeof (result as PromiseLike<MessageResult> | undefined)?.then === 'function'
}

function replaced (content: Content, result: MessageResult): Content {
  if (result === undefined) return content
  if (typeof result === 'string') return { bytes: Buffer.from(result), binary: false }
  if (result instanceof Uint8Array) return { bytes: Buffer.from(result), binary: true }
  throw new TypeError(`a hook for messages must return nothing, a string, bytes or drop, got ${result === null ? 'null' : typeof result}`)
}
