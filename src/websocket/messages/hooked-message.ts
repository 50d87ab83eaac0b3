import type { WebSocketMessage } from '../../types.js'

/** What a message says. */
export interface Content {
  readonly payload: Buffer
  readonly binary: boolean
}

/** A message as one hook sees it. What the hook does to its bytes, no other hook sees. */
export class HookedMessage implements WebSocketMessage {
  readonly binary: boolean
  readonly #content: Content
  readonly #isLast: boolean
  #data: Buffer | undefined
  #text: string | undefined

  /** @param isLast Whether the bytes may be given away. */
  constructor (content: Content, isLast: boolean) {
    this.#content = content
    this.#isLast = isLast
    this.binary = content.binary
  }

  get data (): Buffer {
    return (this.#data ??= this.#isLast ? this.#content.payload : Buffer.from(this.#content.payload))
  }

  get text (): string | undefined {
    return this.binary ? undefined : (this.#text ??= this.#content.payload.toString())
  }
}
