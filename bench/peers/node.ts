import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { resolvePackage, type Leg, type Peer } from './peer.js'
import { compiledServer } from './servers/compile.js'
import type { ServerSetup } from './servers/serve.js'

interface NodePeer {
  name: string
  what: string
  legs?: readonly Leg[]
  only?: string | undefined
  /** The program in bench/peers/servers. */
  server: string
  /** URL of what the program imports. */
  entry: string | undefined
  service?: ServerSetup['service']
  sessions?: ServerSetup['sessions']
  version: () => string | undefined
}

function nodePeer ({ name, what, legs = ['ws', 'tls', 'http'], only, server, entry, service, sessions, version }: NodePeer): Peer {
  return {
    name,
    what,
    legs,
    only,
    isNode: true,
    version,
    async command ({ port, targetPort, tls }) {
      const setup: ServerSetup = { port, targetPort, tls, entry, service, sessions }
      return [process.execPath, '--expose-gc', compiledServer(server), JSON.stringify(setup)]
    }
  }
}

/** A proxy that is a package. */
function packagePeer (name: string, what: string, server = name): Peer {
  const entry = resolvePackage(name)
  return nodePeer({ name, what, server, entry, version: () => entry === undefined ? undefined : versionOf(name, entry) })
}

function versionOf (name: string, entry: string): string {
  const folder = entry.slice(0, entry.lastIndexOf(`/node_modules/${name}/`))
  return (JSON.parse(readFileSync(new URL(`${folder}/node_modules/${name}/package.json`), 'utf8')) as { version: string }).version
}

/** A build of sluice, by the path of its index.js. */
function sluicePeer (name: string, what: string, path: string | undefined, variant: Pick<NodePeer, 'legs' | 'only' | 'service' | 'sessions'> = {}): Peer {
  const entry = path === undefined ? undefined : pathToFileURL(resolve(path))
  return nodePeer({ ...variant, name, what, server: 'sluice', entry: entry?.href, version: () => entry !== undefined && existsSync(entry) ? ownVersion() : undefined })
}

function ownVersion (): string {
  return (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version
}

/** $BENCH_SLUICE names another build than that in dist/, and $BENCH_BASELINE one to compare with, by their index.js. */
const { BENCH_SLUICE: build = 'dist/src/index.js', BENCH_BASELINE: baselineBuild } = process.env

export const sluice = sluicePeer('sluice', 'the plugin in a Fastify app', build)
export const services = [
  sluicePeer('service', 'sluice as a service, without a log', build, { legs: ['http'], only: 'http-get', service: { accessLog: false, admin: false } }),
  sluicePeer('service + log', 'the same with its access log, to /dev/null', build, { legs: ['http'], only: 'http-get', service: { accessLog: true, admin: false } }),
  sluicePeer('service + admin', 'the same without a log, with its admin listener, which samples metrics', build, { legs: ['http'], only: 'http-get', service: { accessLog: false, admin: true } })
]
/** What routes may have beside, for `--peers`. */
export const variants = [
  sluicePeer('hooks', 'sluice with a hook for the messages of each side, which changes nothing', build, { legs: ['ws', 'tls'], sessions: 'hooks' }),
  sluicePeer('reconnect', 'sluice with sessions that survive their target', build, { legs: ['ws', 'tls'], sessions: 'reconnect' })
]
export const baseline = sluicePeer('baseline', 'another build of sluice', baselineBuild)
export const httpProxy = packagePeer('http-proxy', 'on http.createServer(), with a keep-alive agent')
export const httpxy = packagePeer('httpxy', 'on http.createServer(), with a keep-alive agent')
export const fastifyHttpProxy = packagePeer('@fastify/http-proxy', 'in a Fastify app', 'fastify-http-proxy')
export const pipe = nodePeer({
  name: 'pipe',
  what: 'two sockets of node:net or node:tls, each piped into the other; HTTP is not read',
  legs: ['ws', 'tls'],
  server: 'pipe',
  entry: undefined,
  version: () => process.versions.node
})
