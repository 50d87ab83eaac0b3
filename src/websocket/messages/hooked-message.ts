import type { WebSocketMessage } from '../../types.js'

/** What a message says. */
export interface Content {
  readonly bytes: Buffer
  readonly binary: boolean
}

/** A message as one hook sees it. What the hook does to its bytes, no other hook sees. */
export class HookedMessage implements WebSocketMessage {
  readonly binary: boolean
  readonly #bytes: Buffer
  #data: Buffer | undefined
  #text: string | undefined

  /** @param isLast Whether the bytes may be given away. */
  constructor ({ bytes, binary }: Content, isLast: boolean) {
    this.#bytes = bytes
    this.binary = binary
    if (isLast) this.#data = bytes
  }

  get data (): Buffer {
    return (this.#data ??= Buffer.from(this.#bytes))
  }

  get text (): string | undefined {
    return this.binary ? undefined : (this.#text ??= this.#bytes.toString())
  }
}
