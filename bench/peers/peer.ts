import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** What is measured together: WebSockets, those over TLS, HTTP. */
export const legs = ['ws', 'tls', 'http'] as const
export type Leg = typeof legs[number]

/** Where a proxy speaks TLS, and with which certificate, as PEM files, where it is the server. */
export interface Tls {
  side: 'client' | 'target'
  certFile: string
  keyFile: string
}

/** What a proxy is started with. */
export interface PeerSetup {
  /** Where it is to listen, on 127.0.0.1. */
  port: number
  /** What it is to proxy, on 127.0.0.1. */
  targetPort: number
  /** On one of its sides, if at all. A target's certificate is not verified. */
  tls?: Tls
  /** A folder of its own, for its configuration and whatever it writes. */
  folder: string
}

/** A proxy to be measured. */
export interface Peer {
  readonly name: string
  /** What it is, as the report says it. */
  readonly what: string
  readonly legs: readonly Leg[]
  /** The only measure that it is for, by id. Default: all of its legs. */
  readonly only?: string | undefined
  /** Whether it is a program of bench/peers/servers, which talks over IPC. */
  readonly isNode: boolean
  /** Its version, or undefined when it is not installed. */
  version (): string | undefined
  /** The command that runs it in the foreground. */
  command (setup: PeerSetup): Promise<[string, ...string[]]>
}

/**
 * Where the packages of Node peers are: in this repository or, for those that are not installed here, in the
 * `node_modules` of the folder that $BENCH_PEERS names.
 */
export function resolvePackage (specifier: string): string | undefined {
  const places = [import.meta.url]
  if (process.env.BENCH_PEERS !== undefined) places.push(pathToFileURL(join(process.env.BENCH_PEERS, 'index.js')).href)
  for (const place of places) {
    try {
      return pathToFileURL(createRequire(place).resolve(specifier)).href
    } catch {
      // Perhaps in the next.
    }
  }
  return undefined
}
