import type { HeaderList } from '../message/headers.js'

/** Brings the body of a target's response to the client, behind its head. */
export interface ResponseWriter {
  /** The client does not read. */
  readonly blocked: boolean
  /** @returns Whether to go on; if not, `resume()` of the exchange is called later. */
  onChunk (chunk: Buffer): boolean
  onEnd (trailers: HeaderList): void
  /** The response has broken off; so must the client's. */
  onError (error: Error): void
}
