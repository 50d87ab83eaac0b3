import { acceptOf } from '../../message/accept-key.js'
import type { IncomingMessage } from 'node:http'
import { HandshakeInvalidError, HandshakeVersionError } from '../../errors.js'
import { acceptedDeflate } from '../../message/extensions.js'
import { announcesBody, headerValues, isToken, listsToken, type HeaderList } from '../../message/headers.js'
import type { Offer } from '../../message/offer.js'
import { asksForWebSocket } from '../../message/upgrade-request.js'

/**
 * Reads the client's handshake (RFC 6455 §4.2.1).
 *
 * @param strict False lets everything pass that a target may make sense of: versions, keys and subprotocols of any
 * form, no `upgrade` in Connection, and HTTP/1.0. Not strict is what nginx is.
 * @throws {HandshakeInvalidError} saying what is wrong with it.
 * @throws {HandshakeVersionError} for a version other than 13.
 */
export function readOffer (request: IncomingMessage, strict = true): Offer {
  const { rawHeaders } = request
  if (request.method !== 'GET') throw new HandshakeInvalidError('the method must be GET')
  if (strict && request.httpVersion !== '1.1') throw new HandshakeInvalidError('it must be of HTTP/1.1')
  // Node checks this for other requests only. HTTP/1.0 knows requests without it.
  const hosts = headerValues(rawHeaders, 'host').length
  if (hosts > 1 || (hosts === 0 && request.httpVersion !== '1.0')) throw new HandshakeInvalidError('it must have one Host')
  if (announcesBody(rawHeaders)) throw new HandshakeInvalidError('it must have no body')
  if (strict && !headerValues(rawHeaders, 'connection').some(value => listsToken(value, 'upgrade'))) throw new HandshakeInvalidError("Connection must list 'upgrade'")
  if (!asksForWebSocket(request, strict)) throw new HandshakeInvalidError("Upgrade must list 'websocket'")
  const keys = headerValues(rawHeaders, 'sec-websocket-key')
  const protocols = listItems(headerValues(rawHeaders, 'sec-websocket-protocol'))
  if (strict) checkOffer(headerValues(rawHeaders, 'sec-websocket-version'), keys, protocols)
  return { key: keys.length === 1 ? keys[0] : undefined, protocols, extensions: extensionNames(rawHeaders) }
}

function checkOffer (versions: string[], keys: string[], protocols: string[]): void {
  if (versions.length !== 1 || versions[0] !== '13') throw new HandshakeVersionError()
  // 16 bytes are 22 characters in base64, and two for padding.
  if (keys.length !== 1 || !/^[A-Za-z0-9+/]{22}==$/.test(keys[0]!)) {
    throw new HandshakeInvalidError('Sec-WebSocket-Key must be 16 bytes in base64')
  }
  if (protocols.some(protocol => !isToken(protocol)) || new Set(protocols).size !== protocols.length) {
    throw new HandshakeInvalidError('Sec-WebSocket-Protocol must list tokens, each once')
  }
}

/**
 * What is wrong with a target's 101, or undefined when it accepts this offer (RFC 6455 §4.1, the client's
 * checks at the end).
 *
 * @param strict False leaves these checks to the client. What the route's own options forbid is refused in any case.
 */
export function responseFault (offer: Offer, headers: HeaderList, strict = true): string | undefined {
  return (strict ? protocolFault(offer, headers) : undefined) ?? optionFault(offer, headers)
}

function protocolFault (offer: Offer, headers: HeaderList): string | undefined {
  if (!headerValues(headers, 'upgrade').some(value => value.trim().toLowerCase() === 'websocket')) return 'no Upgrade: websocket'
  if (!headerValues(headers, 'connection').some(value => listsToken(value, 'upgrade'))) return 'no Connection: Upgrade'
  const accepts = headerValues(headers, 'sec-websocket-accept')
  if (offer.key === undefined || accepts.length !== 1 || accepts[0]!.trim() !== acceptOf(offer.key)) return 'a wrong Sec-WebSocket-Accept'
  const protocols = chosenProtocols(headers)
  if (protocols.length > 1 || protocols.some(protocol => !offer.protocols.includes(protocol))) {
    return 'a subprotocol that was not offered'
  }
  // Both lists may have thousands of items.
  const offered = new Set(offer.extensions)
  if (extensionNames(headers).some(extension => !offered.has(extension))) return 'an extension that was not offered'
  return undefined
}

function optionFault ({ allowed, withoutTakeover }: Offer, headers: HeaderList): string | undefined {
  if (withoutTakeover === true) {
    const accepted = acceptedDeflate(headers)
    if (typeof accepted === 'string') return accepted
  }
  if (allowed === undefined) return undefined
  const { protocols, extensions } = allowed
  if (protocols !== undefined && listItems(chosenProtocols(headers)).some(protocol => !protocols.includes(protocol))) {
    return 'a subprotocol that this route does not allow'
  }
  if (!extensions && extensionNames(headers).length > 0) return 'an extension, which this route does not allow'
  return undefined
}

/** The subprotocols that a 101 names. An empty header names none: Kubernetes sends one. */
export function chosenProtocols (headers: HeaderList): string[] {
  return headerValues(headers, 'sec-websocket-protocol').map(value => value.trim()).filter(value => value !== '')
}

/** The RSV bits, as they stand in a frame's first byte, that the extensions of a 101 use. */
export function rsvBits (headers: HeaderList): number {
  const extensions = extensionNames(headers)
  if (extensions.length === 0) return 0
  // permessage-deflate uses RSV1 alone (RFC 7692 §6). What another extension uses, we do not know.
  return extensions.every(extension => extension === 'permessage-deflate') ? 0x40 : 0x70
}

function listItems (values: string[]): string[] {
  return values.flatMap(value => value.split(',')).map(item => item.trim()).filter(item => item !== '')
}

function extensionNames (headers: HeaderList): string[] {
  return listItems(headerValues(headers, 'sec-websocket-extensions'))
    .map(extension => extension.split(';', 1)[0]!.trim().toLowerCase())
}
