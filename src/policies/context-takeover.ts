import { offerWithoutTakeover } from '../message/extensions.js'
import { withoutHeaders, type HeaderList } from '../message/headers.js'
import type { Admission, Policy } from '../proxy/policy.js'

/**
 * Where the gateway must understand each message by itself, for hooks or for another target: offers the target compression
 * without context takeover, and no other extension.
 */
export class ContextTakeoverPolicy implements Policy {
  readonly #applies: () => boolean

  /** @param applies Asked at each handshake: hooks may be added until the app is ready. */
  constructor (applies: () => boolean) {
    this.#applies = applies
  }

  admit (admission: Admission): void {
    if (!this.#applies()) return
    const { narrow, offer } = admission
    const extensions = offer.extensions.filter(name => name === 'permessage-deflate')
    admission.offer = { ...offer, extensions, withoutTakeover: true }
    admission.narrow = headers => replaceOffer(narrow(headers))
  }
}

function replaceOffer (headers: HeaderList): HeaderList {
  const offer = offerWithoutTakeover(headers)
  const others = withoutHeaders(headers, ['sec-websocket-extensions'])
  return offer === undefined ? others : [...others, 'Sec-WebSocket-Extensions', offer]
}
