import { ConfigInvalidError } from '../errors.js'
import { listenLimits, type ListenLimits } from '../listener/limits.js'
import { pemFiles, readPair } from '../net/tls.js'
import { withDefaults } from '../options/defaults.js'
import { type GatewayConfig, ListenOptions, ListenTlsOptions } from '../options/index.js'
import type { Problem } from '../options/validate.js'
import { isSamePlace, type ListenAddress } from './front/addresses.js'
import type { FrontOptions } from './front/front.js'
import type { Locate } from './places.js'

/** The port of https that a client need not name. */
const HTTPS = 443

/** The limits for clients, which hold for all listeners. */
const LIMITS = ['headersTimeout', 'requestTimeout', 'minBodyRate', 'keepAliveTimeout', 'maxHeaderSize', 'maxHeaders'] as const

/** All listeners of a configuration, of which there is at least one. */
export function listenersOf ({ listen = {} }: Pick<GatewayConfig, 'listen'>): readonly ListenOptions[] {
  return Array.isArray(listen) ? listen : [listen]
}

/** The limits for clients of a configuration. */
export function limitsOf (config: Pick<GatewayConfig, 'listen'>): ListenLimits {
  return listenLimits(listenersOf(config)[0]!)
}

/** The configuration with another address of the first listener. */
export function withAddress ({ listen = {} }: Pick<GatewayConfig, 'listen'>, address: { host?: string, port?: number }): NonNullable<GatewayConfig['listen']> {
  if (!Array.isArray(listen)) return { ...listen, ...address }
  const [first, ...others] = listen
  return [{ ...first, ...address }, ...others]
}

/** The files of all certificates and keys. */
export function certificateFiles (config: Pick<GatewayConfig, 'listen'>): string[] {
  return listenersOf(config).flatMap(({ tls }) => tls === undefined ? [] : [...pemFiles(tls.cert), ...pemFiles(tls.key)])
}

/** What no schema can say of listeners. */
export function listenerProblems (listen: unknown): Problem[] {
  const isList = Array.isArray(listen)
  const all = (isList ? listen : [listen]).map(one => (typeof one === 'object' && one !== null ? one : {}) as ListenOptions)
  const secure = all.find(({ tls }) => tls !== undefined)
  const found: Problem[] = []
  for (const [index, options] of all.entries()) {
    const note = (option: string, message: string): void => { found.push({ path: ['listen', ...isList ? [String(index)] : [], option], message }) }
    const { socketPath, socketMode, tls, redirectToHttps = false } = options
    for (const option of ['host', 'port'] as const) {
      if (socketPath !== undefined && options[option] !== undefined) note(option, 'there is socketPath already; remove one of the two, or add another listener')
    }
    if (socketMode !== undefined && socketPath === undefined) note('socketMode', 'it belongs to socketPath, which is missing')
    if (redirectToHttps !== false && tls !== undefined) note('redirectToHttps', 'the listener has tls itself; redirect from one without it')
    if (redirectToHttps === true && (secure === undefined || secure.socketPath !== undefined)) note('redirectToHttps', 'no listener has tls on a port; add one, or give the port that clients see')
    if (index > 0) {
      for (const option of LIMITS) if (options[option] !== undefined) note(option, 'the limits hold for all listeners; give them in the first one')
      // A free port is another one each time.
      const earlier = options.port === 0 ? -1 : all.findIndex(other => isSamePlace(addressOf(other), addressOf(options)))
      if (earlier !== -1 && earlier < index) found.push({ path: ['listen', String(index)], message: `listen.${earlier} has the same address; give one of them another port` })
    }
  }
  return found
}

/**
 * Where the gateway listens, and how it reads what comes.
 *
 * @throws {ConfigInvalidError} naming a file that cannot be read, or holds no certificate.
 */
export function frontOptions ({ config, locate }: { config: GatewayConfig, locate: Locate }): FrontOptions[] {
  const listeners = listenersOf(config)
  const { server, keepAliveTimeout } = limitsOf(config)
  const secure = listeners.find(({ tls, socketPath }) => tls !== undefined && socketPath === undefined)
  return listeners.map(({ tls, maxConnections, redirectToHttps, ...options }, index) => ({
    address: addressOf(options),
    maxConnections,
    server,
    keepAliveTimeout,
    tls: tlsOptions(tls, () => locate(['listen', ...Array.isArray(config.listen) ? [String(index)] : [], 'tls'])),
    redirect: redirectToHttps === true ? withDefaults(ListenOptions, secure ?? {}, ['port']).port : redirectToHttps === false ? undefined : redirectToHttps
  }))
}

function addressOf (options: ListenOptions): ListenAddress {
  const { socketPath, socketMode } = options
  if (socketPath !== undefined) return { socketPath, ...socketMode !== undefined && { mode: Number.parseInt(socketMode, 8) } }
  const { host, port } = withDefaults(ListenOptions, options, ['host', 'port'])
  return { host, port }
}

/** @throws {ConfigInvalidError} naming a file that cannot be read, or holds no certificate. */
function tlsOptions (tls: ListenTlsOptions | undefined, place: () => ReturnType<Locate>): FrontOptions['tls'] {
  if (tls === undefined) return undefined
  try {
    return { context: readPair(tls.cert, tls.key, 'listen'), handshakeTimeout: withDefaults(ListenTlsOptions, tls, ['handshakeTimeout']).handshakeTimeout }
  } catch (error) {
    throw new ConfigInvalidError(`${place()}: ${(error as Error).message}`)
  }
}

/** The URL of a client's request under https, for a `Host` that it sent. */
export function httpsUrl (host: string, port: number, target: string): string {
  return `https://${host.replace(/:\d*$/, '')}${port === HTTPS ? '' : `:${port}`}${target}`
}
