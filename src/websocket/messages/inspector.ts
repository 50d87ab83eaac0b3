import { isUtf8 } from 'node:buffer'
import type { Deflate } from '../../message/extensions.js'
import { drop, type MessageResult, type WebSocketMessage, type WebSocketSession } from '../../types.js'
import { CloseCode, messageFrame, Opcode } from '../relay/frames.js'
import type { Message } from '../relay/gathered-message.js'
import type { Fault, Verdict } from '../relay/message-direction.js'
import type { MessageHook } from '../route.js'
import { deflate, inflate, isWorthwhile } from './deflate.js'

/** A message as hooks see it. */
class HookedMessage implements WebSocketMessage {
  readonly data: Buffer
  readonly binary: boolean
  #text: string | undefined

  constructor (data: Buffer, binary: boolean, text?: string) {
    this.data = data
    this.binary = binary
    this.#text = text
  }

  get text (): string | undefined {
    return this.binary ? undefined : (this.#text ??= this.data.toString())
  }
}

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

/** Has the hooks of a route look at the messages of one side, in their order. */
export class Inspector {
  readonly #options: InspectorOptions

  constructor (options: InspectorOptions) {
    this.#options = options
  }

  /**
   * @throws What a hook throws.
   * @throws {TypeError} for what no hook may return.
   */
  readonly inspect = ({ payload, binary, compressed }: Message): Verdict | Promise<Verdict> => {
    if (!compressed) return this.#check(payload, binary)
    const inflated = inflate(payload, this.#options.maxSize)
    if (inflated instanceof Promise) return inflated.then(data => Buffer.isBuffer(data) ? this.#check(data, binary) : data)
    return Buffer.isBuffer(inflated) ? this.#check(inflated, binary) : inflated
  }

  #check (data: Buffer, binary: boolean): Verdict | Promise<Verdict> {
    if (!binary && !isUtf8(data)) return NOT_UTF8
    const original = new HookedMessage(data, binary)
    const { hooks, session } = this.#options
    let message: HookedMessage = original
    for (let index = 0; index < hooks.length; index++) {
      const result = hooks[index]!(message, session)
      if (isFault(result)) return result
      if (isPromise(result)) return this.#inTime(this.#checkRest(original, message, result, index + 1))
      if (result === drop) return 'drop'
      message = replaced(message, result)
    }
    return message === original ? 'pass' : this.#frameOf(message)
  }

  /** Waits for a hook, and calls those behind it. */
  async #checkRest (original: HookedMessage, message: HookedMessage, pending: PromiseLike<MessageResult | Fault>, next: number): Promise<Verdict> {
    const { hooks, session } = this.#options
    let result = await pending
    for (let index = next; ; index++) {
      if (result === drop) return 'drop'
      if (isFault(result)) return result
      message = replaced(message, result)
      if (index === hooks.length) return message === original ? 'pass' : this.#frameOf(message)
      result = await hooks[index]!(message, session)
    }
  }

  async #inTime (verdict: Promise<Verdict>): Promise<Verdict> {
    const { timeout } = this.#options
    let timer: NodeJS.Timeout
    const tooLate = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`a hook for messages has taken longer than ${timeout} ms ('messages.timeout')`)), timeout)
    })
    return Promise.race([verdict, tooLate]).finally(() => clearTimeout(timer))
  }

  #frameOf ({ data, binary }: HookedMessage): Buffer | Promise<Buffer> {
    const { toServer, deflate: agreed } = this.#options
    const opcode = binary ? Opcode.binary : Opcode.text
    const bits = toServer ? agreed?.clientBits : agreed?.serverBits
    if (bits === undefined || !isWorthwhile(data, bits)) return messageFrame(opcode, data, toServer)
    return deflate(data, bits).then(payload => messageFrame(opcode, payload, toServer, true))
  }
}

type HookResult = ReturnType<MessageHook>

function isFault (result: HookResult): result is Fault {
  return typeof result === 'object' && result !== null && 'violation' in result
}

function isPromise (result: HookResult): result is Promise<MessageResult> {
  return typeof (result as PromiseLike<unknown> | undefined)?.then === 'function'
}

function replaced (message: HookedMessage, result: MessageResult): HookedMessage {
  if (result === undefined) return message
  if (typeof result === 'string') return new HookedMessage(Buffer.from(result), false, result)
  if (result instanceof Uint8Array) return new HookedMessage(Buffer.from(result), true)
  throw new TypeError(`a hook for messages must return nothing, a string, bytes or drop, got ${result === null ? 'null' : typeof result}`)
}
