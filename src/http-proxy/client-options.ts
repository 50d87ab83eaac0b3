import { OptionsInvalidError } from '../errors.js'
import { TlsClient } from '../net/tls.js'
import { UpstreamTlsOptions, type WebSocketOptions } from '../options/index.js'
import { validated } from '../options/validate.js'
import { compressionOf, functionOf, IDLE_IN_RELAY, maxPayloadOf, understood, type Names } from './option-names.js'
import type { QueryString, RewriteRequestHeaders } from './types.js'

/** What `wsClientOptions` say of the side of the target. */
export interface ClientSide {
  /** Headers of the handshake to the target, beside or instead of the client's. */
  headers: Record<string, string>
  rewriteRequestHeaders: RewriteRequestHeaders | undefined
  queryString: QueryString | undefined
  tls: UpstreamTlsOptions | undefined
  compression: boolean | undefined
  maxPayload: number | undefined
  limits: Pick<WebSocketOptions, 'connectTimeout' | 'handshakeTimeout' | 'closeTimeout'>
}

const TLS = ['ca', 'cert', 'key', 'servername', 'rejectUnauthorized', 'minVersion'] as const

const unused = { refused: 'ws takes no notice of it. Remove it; wsUpstream says where to connect.' }
const ofConnection = { refused: 'the gateway makes the connection itself. Remove it.' }
const tlsOfNode = { refused: 'no equivalent. TLS to a target is set by ca, cert, key, servername, minVersion and rejectUnauthorized. Remove it.' }
const asPem = { refused: 'give the certificate and its key as PEM text without a passphrase: cert and key.' }

const NAMES: Names = {
  ...IDLE_IN_RELAY,
  headers: 'used',
  rewriteRequestHeaders: 'used',
  queryString: 'used',
  origin: 'used',
  auth: 'used',
  handshakeTimeout: 'used',
  closeTimeout: 'used',
  maxPayload: 'used',
  perMessageDeflate: 'used',
  skipUTF8Validation: 'used',
  protocolVersion: 'used',
  followRedirects: 'used',
  maxRedirects: 'idle',
  ...Object.fromEntries(TLS.map(name => [name, 'used'])),
  agent: { refused: 'the gateway makes the connection itself. Write the TLS options of an agent (ca, rejectUnauthorized …) into wsClientOptions. One that goes through a proxy has no equivalent.' },
  createConnection: ofConnection,
  finishRequest: { refused: 'headers of the handshake are set by headers and rewriteRequestHeaders. Remove it.' },
  generateMask: { refused: "frames keep the client's own masks. Remove it." },
  lookup: ofConnection,
  family: { refused: 'name an address in place of a host to choose the version of IP. Remove it.' },
  localAddress: ofConnection,
  checkServerIdentity: { refused: 'no equivalent. servername gives the name that the certificate must have. Remove it.' },
  pfx: asPem,
  passphrase: asPem,
  maxVersion: tlsOfNode,
  ciphers: tlsOfNode,
  secureProtocol: tlsOfNode,
  secureContext: tlsOfNode,
  secureOptions: tlsOfNode,
  sigalgs: tlsOfNode,
  ecdhCurve: tlsOfNode,
  crl: tlsOfNode,
  dhparam: tlsOfNode,
  honorCipherOrder: tlsOfNode,
  host: unused,
  hostname: unused,
  port: unused,
  path: unused,
  socketPath: { refused: "ws takes no notice of it. Write wsUpstream: 'unix:/path' for a target on a Unix socket." },
  method: unused,
  protocol: unused,
  protocols: { refused: 'the client offers its subprotocols to the target, all of them. passthrough.protocols limits them.' },
  timeout: { refused: 'ws takes no notice of it. handshakeTimeout limits the handshake, passthrough.idleTimeout the session.' }
}

/** @throws {OptionsInvalidError} naming what cannot be honoured, and the fix. */
export function clientSide (given: unknown, where: string): ClientSide {
  const option = 'wsClientOptions'
  const options = understood(given, NAMES, where, option)
  const { handshakeTimeout, closeTimeout, followRedirects = false, protocolVersion = 13, skipUTF8Validation = true } = options
  const refuse = (name: string, text: string): never => { throw new OptionsInvalidError(where, `option '${option}.${name}': ${text}`) }
  if (followRedirects !== false) refuse('followRedirects', 'a redirect of the target is relayed to the client, which knows whether to follow it. Remove it.')
  if (protocolVersion !== 13) refuse('protocolVersion', 'the version is 13 (RFC 6455). Remove it.')
  if (skipUTF8Validation !== true) refuse('skipUTF8Validation', 'text is relayed as it is, and its receiver validates it. Remove it.')
  const timeouts = handshakeTimeout === undefined ? {} : { connectTimeout: handshakeTimeout, handshakeTimeout }
  return {
    headers: headersOf(options, where),
    rewriteRequestHeaders: functionOf(options.rewriteRequestHeaders, where, `${option}.rewriteRequestHeaders`),
    queryString: queryStringOf(options.queryString, where, `${option}.queryString`),
    tls: tlsOf(options, where),
    compression: compressionOf(options.perMessageDeflate, where, option),
    maxPayload: maxPayloadOf(options.maxPayload, where, option),
    limits: { ...timeouts, ...closeTimeout !== undefined && { closeTimeout } } as ClientSide['limits']
  }
}

/** `headers`, with what `origin` and `auth` make of them in ws: the first takes the place of a header, the second does not. */
function headersOf ({ headers = {}, origin, auth }: Record<string, unknown>, where: string): Record<string, string> {
  if (typeof headers !== 'object' || headers === null) throw new OptionsInvalidError(where, "option 'wsClientOptions.headers' must be an object of headers by name")
  const found = new Map<string, { name: string, value: string }>()
  for (const [name, value] of Object.entries(headers as Record<string, unknown>)) {
    if (value === undefined || value === null) continue
    const separator = name.toLowerCase() === 'cookie' ? '; ' : ', '
    found.set(name.toLowerCase(), { name, value: [value].flat().map(String).join(separator) })
  }
  if (origin !== undefined) found.set('origin', { name: 'Origin', value: String(origin) })
  if (auth !== undefined && !found.has('authorization')) found.set('authorization', { name: 'Authorization', value: basicAuthorization(String(auth)) })
  return Object.fromEntries([...found.values()].map(({ name, value }) => [name, value]))
}

/** @param credentials Name and password, with a colon between. */
export function basicAuthorization (credentials: string): string {
  return `Basic ${Buffer.from(credentials).toString('base64')}`
}

function queryStringOf (given: unknown, where: string, option: string): QueryString | undefined {
  if (given === undefined || given === null) return undefined
  if (typeof given === 'function' || (typeof given === 'object' && !Array.isArray(given))) return given as QueryString
  throw new OptionsInvalidError(where, `option '${option}' must be a function, or an object of parameters by name`)
}

/** The TLS options as an upstream of the gateway has them, checked with all that they contain. */
function tlsOf (options: Record<string, unknown>, where: string): UpstreamTlsOptions | undefined {
  const given = TLS.filter(name => options[name] !== undefined)
  if (given.length === 0) return undefined
  const tls = Object.fromEntries(given.map(name => [name, isPem(name) ? pemTexts(options[name], where, `wsClientOptions.${name}`) : options[name]]))
  const checked = validated(UpstreamTlsOptions, tls, `${where}: the TLS options in 'wsClientOptions'`)
  // What is wrong with a certificate would only be found when the first target is met.
  return new TlsClient(checked, `${where}: 'wsClientOptions'`) && checked
}

function isPem (name: string): boolean {
  return name === 'ca' || name === 'cert' || name === 'key'
}

/** Texts of PEM, as node:tls takes them: strings, buffers, and keys as `{ pem }`. */
function pemTexts (given: unknown, where: string, option: string): string[] {
  return [given].flat().map(item => {
    const { pem, passphrase } = (typeof item === 'object' && item !== null && 'pem' in item ? item : { pem: item }) as { pem: unknown, passphrase?: unknown }
    if (passphrase !== undefined) throw new OptionsInvalidError(where, `option '${option}': ${asPem.refused}`)
    const text = Buffer.isBuffer(pem) || pem instanceof Uint8Array ? Buffer.from(pem).toString('latin1') : String(pem)
    // The gateway's own option takes the path of a file, too, which a mistake here must not become.
    if (!text.includes('-----BEGIN ')) throw new OptionsInvalidError(where, `option '${option}' must be PEM text, or a Buffer of it`)
    return text
  })
}
