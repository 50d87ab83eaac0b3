import { isUtf8 } from 'node:buffer'
import type { Deflate } from '../../message/extensions.js'
import { inContext } from '../../net/async-context.js'
import { drop, type MessageResult, type WebSocketSession } from '../../types.js'
import { CloseCode, messageFrame, Opcode } from '../relay/frames.js'
import type { Message } from '../relay/gathered-message.js'
import type { Fault, Verdict } from '../relay/message-direction.js'
import type { MessageHook } from '../route.js'
import { deflate, inflate, inflatedAtMost, isWorthwhile } from './deflate.js'
import { HookedMessage, type Content } from './hooked-message.js'

/** What the hooks of one direction need to know. */
export interface InspectorOptions {
  hooks: readonly MessageHook[]
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
  readonly #checkInContext = inContext((content: Content) => this.#check(content))
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
    const { binary, compressed } = message
    const { deflate, maxSize } = this.#options
    if (compressed && deflate === undefined) return NOT_AGREED
    if (!compressed) return this.#turn === undefined ? this.#begin(message) : this.#inTurn(message)
    const { payload } = message
    const data = inflate(payload, maxSize)
    if (data instanceof Promise) {
      message.size += inflatedAtMost(payload, maxSize)
      return this.#inTurn(data.then(data => contentOf(data, binary)))
    }
    if (Buffer.isBuffer(data)) message.size += data.length
    const content = contentOf(data, binary)
    return this.#turn === undefined ? this.#begin(content) : this.#inTurn(content)
  }

  /** Behind a message that is being decompressed, others wait: hooks begin in the order of their messages. */
  #inTurn (content: Content | Fault | Promise<Content | Fault>): Promise<Verdict> {
    const before = this.#turn
    // In an object, a verdict is not waited for.
    const begin = async (): Promise<{ verdict: Verdict | Promise<Verdict> }> => {
      const inflated = await content
      await before
      return { verdict: this.#failed ? 'drop' : this.#begin(inflated) }
    }
    const turn = begin()
    const over = (): void => { if (this.#turn === turn) this.#turn = undefined }
    turn.then(over, over)
    this.#turn = turn
    return turn.then(({ verdict }) => verdict)
  }

  #begin (content: Content | Fault): Verdict | Promise<Verdict> {
    if ('violation' in content) return this.#fail(content)
    if (!content.binary && !isUtf8(content.payload)) return this.#fail(NOT_UTF8)
    return this.#checkInContext(content)
  }

  /** Nothing behind it is looked at. */
  #fail (fault: Fault): Fault {
    this.#failed = true
    return fault
  }

  #check (original: Content): Verdict | Promise<Verdict> {
    const { hooks } = this.#options
    let content = original
    for (let index = 0; index < hooks.length; index++) {
      const result = this.#call(index, content)
      if (isFault(result)) return this.#fail(result)
      if (isPromise(result)) return this.#inTime(this.#checkRest(original, content, result, index + 1))
      if (result === drop) return 'drop'
      content = replaced(content, result)
    }
    return content === original ? 'pass' : this.#frameOf(content)
  }

  /** Waits for a hook, and calls those behind it. */
  async #checkRest (original: Content, content: Content, pending: PromiseLike<MessageResult | Fault>, next: number): Promise<Verdict> {
    let result = await pending
    for (let index = next; ; index++) {
      if (result === drop) return 'drop'
      if (isFault(result)) return this.#fail(result)
      content = replaced(content, result)
      if (index === this.#options.hooks.length) return content === original ? 'pass' : this.#frameOf(content)
      result = await this.#call(index, content)
    }
  }

  #call (index: number, content: Content): HookResult {
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

  #frameOf ({ payload, binary }: Content): Buffer | Promise<Buffer> {
    const { toServer, deflate: agreed } = this.#options
    const opcode = binary ? Opcode.binary : Opcode.text
    const bits = toServer ? agreed?.clientBits : agreed?.serverBits
    if (bits === undefined || !isWorthwhile(payload, bits)) return messageFrame(opcode, payload, toServer)
    return deflate(payload, bits).then(deflated => messageFrame(opcode, deflated, toServer, true))
  }
}

function contentOf (data: Buffer | Fault, binary: boolean): Content | Fault {
  return Buffer.isBuffer(data) ? { payload: data, binary } : data
}

type HookResult = ReturnType<MessageHook>

function isFault (result: HookResult): result is Fault {
  return typeof result === 'object' && result !== null && 'violation' in result
}

function isPromise (result: HookResult): result is Promise<MessageResult> {
  return typeof (result as PromiseLike<unknown> | undefined)?.then === 'function'
}

function replaced (content: Content, result: MessageResult): Content {
  if (result === undefined) return content
  if (typeof result === 'string') return { payload: Buffer.from(result), binary: false }
  if (result instanceof Uint8Array) return { payload: Buffer.from(result), binary: true }
  throw new TypeError(`a hook for messages must return nothing, a string, bytes or drop, got ${result === null ? 'null' : typeof result}`)
}
