import { headerValues, isToken, type HeaderList } from './headers.js'

/** What client and target have agreed on for permessage-deflate (RFC 7692): the sizes of the windows, as powers of two. */
export interface Deflate {
  clientBits: number
  serverBits: number
}

/** An extension with its parameters, as it is offered or accepted (RFC 6455 §9.1). */
interface Extension {
  name: string
  params: Map<string, string | undefined>
}

const DEFLATE = 'permessage-deflate'
const MAX_BITS = 15

/** @returns Undefined for what is not a list of extensions. */
function parseExtensions (headers: HeaderList): Extension[] | undefined {
  const extensions: Extension[] = []
  for (const item of headerValues(headers, 'sec-websocket-extensions').flatMap(value => value.split(','))) {
    if (item.trim() === '') continue
    const [name, ...parts] = item.split(';').map(part => part.trim())
    const params = new Map<string, string | undefined>()
    for (const part of parts) {
      const [param, ...rest] = part.split('=').map(text => text.trim())
      // The content of a quoted value is a token, too, so that no separator stands in it.
      const value = rest[0]?.replace(/^"(.*)"$/s, '$1')
      if (rest.length > 1 || !isToken(param!) || (value !== undefined && !isToken(value)) || params.has(param!)) return undefined
      params.set(param!.toLowerCase(), value)
    }
    if (!isToken(name!)) return undefined
    extensions.push({ name: name!.toLowerCase(), params })
  }
  return extensions
}

const OFFERED = new Set(['server_no_context_takeover', 'client_no_context_takeover', 'server_max_window_bits', 'client_max_window_bits'])

/**
 * What a target is offered where the gateway takes part in the compression: permessage-deflate without context takeover,
 * so that each message can be decompressed, replaced or sent elsewhere without those before it. Other extensions are not
 * offered.
 *
 * @returns Undefined where the client has offered nothing of the kind.
 */
export function offerWithoutTakeover (headers: HeaderList): string | undefined {
  const offers = (parseExtensions(headers) ?? []).filter(({ name, params }) => name === DEFLATE && [...params.keys()].every(param => OFFERED.has(param)))
  for (const { params } of offers) params.set('server_no_context_takeover', undefined).set('client_no_context_takeover', undefined)
  return offers.length === 0 ? undefined : offers.map(format).join(', ')
}

/**
 * What a target has accepted of that offer.
 *
 * @returns Undefined for no extension; a text that says what is wrong with it.
 */
export function acceptedDeflate (headers: HeaderList): Deflate | string | undefined {
  const extensions = parseExtensions(headers)
  if (extensions === undefined) return 'a malformed Sec-WebSocket-Extensions'
  const [extension, ...others] = extensions
  if (extension === undefined) return undefined
  const { name, params } = extension
  if (name !== DEFLATE || others.length > 0) return 'an extension that was not offered'
  // Required of whoever accepts an offer that asks for it (RFC 7692 §7.1.1.1).
  if (!params.has('server_no_context_takeover')) return 'permessage-deflate with context takeover, against the offer'
  const serverBits = windowBits(params, 'server_max_window_bits')
  const clientBits = windowBits(params, 'client_max_window_bits')
  if (serverBits === undefined || clientBits === undefined || [...params.keys()].some(param => !OFFERED.has(param))) return 'permessage-deflate with invalid parameters'
  return { clientBits, serverBits }
}

/** The same, as the client is to be told: a server may ask for no context takeover, offered or not (RFC 7692 §7.1.1). */
export function deflateHeader ({ clientBits, serverBits }: Deflate): string {
  const params = new Map<string, string | undefined>([['server_no_context_takeover', undefined], ['client_no_context_takeover', undefined]])
  if (serverBits !== MAX_BITS) params.set('server_max_window_bits', String(serverBits))
  if (clientBits !== MAX_BITS) params.set('client_max_window_bits', String(clientBits))
  return format({ name: DEFLATE, params })
}

function windowBits (params: Extension['params'], name: string): number | undefined {
  if (!params.has(name)) return MAX_BITS
  const value = params.get(name) ?? ''
  return /^(?:[89]|1[0-5])$/.test(value) ? Number(value) : undefined
}

function format ({ name, params }: Extension): string {
  return [name, ...[...params].map(([param, value]) => value === undefined ? param : `${param}=${value}`)].join('; ')
}
