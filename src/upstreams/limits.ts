import type { UpstreamOptions } from '../options/index.js'
import type { Load, UpstreamLoad } from './load.js'

interface Counted { readonly endpoint: { readonly load: Load } }

/** How much a target, and all targets of an upstream together, may have to do at a time. */
export class LoadLimits {
  readonly #each: Limits
  readonly #all: Limits
  readonly #load: UpstreamLoad

  /** Undefined where nothing is limited. */
  static of ({ maxRequests, maxSessions, total = {} }: UpstreamOptions, load: UpstreamLoad): LoadLimits | undefined {
    const isLimited = [maxRequests, maxSessions, total.maxRequests, total.maxSessions].some(limit => limit !== undefined)
    return isLimited ? new LoadLimits({ maxRequests, maxSessions }, total, load) : undefined
  }

  private constructor (each: GivenLimits, all: GivenLimits, load: UpstreamLoad) {
    this.#each = limits(each)
    this.#all = limits(all)
    this.#load = load
  }

  /** Whether the upstream may have another one of this kind. */
  hasRoom (kind: Kind): boolean {
    return isBelow(this.#all, this.#load, kind)
  }

  /** Whether a target may. */
  hasRoomAt ({ endpoint }: Counted, kind: Kind): boolean {
    return isBelow(this.#each, endpoint.load, kind)
  }
}

type Kind = 'request' | 'handshake'
interface Limits { requests: number, sessions: number }
interface GivenLimits { maxRequests?: number | undefined, maxSessions?: number | undefined }

const limits = ({ maxRequests = Infinity, maxSessions = Infinity }: GivenLimits): Limits => ({ requests: maxRequests, sessions: maxSessions })

function isBelow ({ requests, sessions }: Limits, load: Load, kind: Kind): boolean {
  return kind === 'request' ? load.requests < requests : load.handshakes + load.sessions < sessions
}
