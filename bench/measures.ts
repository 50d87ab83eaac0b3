import type { Operation } from './load/main.js'
import type { Leg, Tls } from './peers/peer.js'

export const KIBIBYTE = 1024
export const MEBIBYTE = 1024 * KIBIBYTE

/** One thing that is measured of every proxy. */
export interface Measure {
  readonly id: string
  readonly leg: Leg
  /** On which side of the proxy TLS is spoken, in the leg of that name. */
  readonly tlsSide?: Tls['side']
  readonly title: string
  /** What the CPU time is told of. */
  readonly unit: string
  readonly operation: Operation
  /** How many connections work at once. */
  readonly connections: number
  readonly maxOperations: number
  /** How much of Node's code an operation runs through, and so how long it takes until that is compiled: once in a process. */
  readonly warmUp: 'short' | 'long'
  /** Units in one operation. */
  readonly units: number
  /** Whether latencies are told, too. */
  readonly latency?: true
}

const NO_LIMIT = 10_000_000

export const measures: readonly Measure[] = [
  {
    id: 'ws-64b',
    leg: 'ws',
    title: 'WebSocket, 64-byte messages',
    unit: 'message',
    operation: { kind: 'echo', size: 64 },
    connections: 64,
    maxOperations: NO_LIMIT,
    warmUp: 'short',
    units: 1,
    latency: true
  },
  {
    id: 'ws-16k',
    leg: 'ws',
    title: 'WebSocket, 16 KiB messages',
    unit: 'message',
    operation: { kind: 'echo', size: 16 * KIBIBYTE },
    connections: 64,
    maxOperations: NO_LIMIT,
    warmUp: 'short',
    units: 1
  },
  {
    id: 'ws-1m',
    leg: 'ws',
    title: 'WebSocket, 1 MiB messages',
    unit: 'MiB',
    operation: { kind: 'echo', size: MEBIBYTE },
    connections: 8,
    maxOperations: NO_LIMIT,
    warmUp: 'short',
    units: 1
  },
  {
    id: 'ws-handshake',
    leg: 'ws',
    title: 'WebSocket, opened and closed',
    unit: 'session',
    operation: { kind: 'handshake' },
    connections: 32,
    // Each leaves ports behind that the system keeps for a while.
    maxOperations: 5_000,
    warmUp: 'long',
    units: 1,
    latency: true
  },
  ...overTls('client', 'in'),
  ...overTls('target', 'out'),
  {
    id: 'http-get',
    leg: 'http',
    title: 'HTTP, GET of 13 bytes',
    unit: 'request',
    operation: { kind: 'get', size: 13 },
    connections: 64,
    maxOperations: NO_LIMIT,
    warmUp: 'long',
    units: 1,
    latency: true
  },
  {
    id: 'http-64k',
    leg: 'http',
    title: 'HTTP, GET of 64 KiB',
    unit: 'request',
    operation: { kind: 'get', size: 64 * KIBIBYTE },
    connections: 64,
    maxOperations: NO_LIMIT,
    warmUp: 'long',
    units: 1
  },
  {
    id: 'http-download',
    leg: 'http',
    title: 'HTTP, download of 10 MiB',
    unit: 'MiB',
    operation: { kind: 'get', size: 10 * MEBIBYTE },
    connections: 4,
    maxOperations: NO_LIMIT,
    warmUp: 'long',
    units: 10
  },
  {
    id: 'http-upload',
    leg: 'http',
    title: 'HTTP, upload of 10 MiB',
    unit: 'MiB',
    operation: { kind: 'upload', size: 10 * MEBIBYTE },
    connections: 4,
    maxOperations: NO_LIMIT,
    warmUp: 'long',
    units: 10
  }
]

/** Not a load: sessions that do nothing. */
export const MEMORY = 'ws-memory'

function overTls (side: Tls['side'], inOrOut: 'in' | 'out'): Measure[] {
  return [{ size: 64, id: '64b', title: '64-byte' }, { size: 16 * KIBIBYTE, id: '16k', title: '16 KiB' }].map(({ size, id, title }) => ({
    id: `ws-tls-${inOrOut}-${id}`,
    leg: 'tls',
    tlsSide: side,
    title: `WebSocket over TLS, ${side} side, ${title} messages`,
    unit: 'message',
    operation: { kind: 'echo', size },
    connections: 64,
    maxOperations: NO_LIMIT,
    warmUp: 'short',
    units: 1
  }))
}
