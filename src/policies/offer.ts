import { HandshakeInvalidError } from '../errors.js'
import type { HeaderList } from '../message/headers.js'
import type { Admission, Policy } from '../proxy/policy.js'

/** Lets some subprotocols through, or no extensions. */
export class OfferPolicy implements Policy {
  readonly #protocols: readonly string[] | undefined
  readonly #extensions: boolean

  /**
   * @param protocols The subprotocols that are let through; undefined for all.
   * @param extensions Whether extensions are.
   */
  constructor (protocols: readonly string[] | undefined, extensions: boolean) {
    this.#protocols = protocols
    this.#extensions = extensions
  }

  /** @throws {HandshakeInvalidError} when none of the subprotocols offered is let through. */
  admit (admission: Admission): void {
    const { key, protocols, extensions } = admission.offer
    const allowed = this.#protocols === undefined ? protocols : protocols.filter(protocol => this.#protocols!.includes(protocol))
    if (allowed.length === 0 && protocols.length > 0) throw new HandshakeInvalidError('none of the subprotocols is allowed here')
    admission.offer = {
      key,
      protocols: allowed,
      extensions: this.#extensions ? extensions : [],
      allowed: { protocols: this.#protocols, extensions: this.#extensions }
    }
    const { narrow } = admission
    admission.narrow = headers => this.#narrow(narrow(headers), allowed)
  }

  #narrow (headers: HeaderList, protocols: readonly string[]): HeaderList {
    const kept: HeaderList = []
    for (let index = 0; index < headers.length; index += 2) {
      const name = headers[index]!.toLowerCase()
      if (name === 'sec-websocket-protocol' && this.#protocols !== undefined) continue
      if (name === 'sec-websocket-extensions' && !this.#extensions) continue
      kept.push(headers[index]!, headers[index + 1]!)
    }
    if (this.#protocols !== undefined && protocols.length > 0) kept.push('Sec-WebSocket-Protocol', protocols.join(', '))
    return kept
  }
}
