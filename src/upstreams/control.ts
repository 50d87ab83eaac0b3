import { Type } from '@sinclair/typebox'
import { OptionsInvalidError } from '../errors.js'
import { parseTarget } from '../net/target-address.js'
import { TargetOptions } from '../options/index.js'
import { validated } from '../options/validate.js'
import { withDefaults } from '../options/defaults.js'
import type { Endpoint } from './endpoint.js'
import type { Load, UpstreamLoad } from './load.js'
import type { TargetHealth, TargetState } from './standing.js'
import type { Target } from './target.js'
import { foremost, type Upstream } from './upstream.js'

/** A target of an upstream, as it is now. */
export interface TargetStatus extends Load {
  readonly url: string
  readonly weight: number
  readonly priority: number
  readonly labels: Readonly<Record<string, string>>
  /** As set by an operator. */
  readonly state: TargetState
  /** As found by health checks: 'ejected' by passive ones, 'down' by active ones. */
  readonly health: TargetHealth
  /** Since when it has this state and health. */
  readonly since: Date
  /** Why; undefined for one that has always been ready and healthy. */
  readonly reason: string | undefined
  /** Attempts that have failed. */
  readonly failures: number
  /** How often passive health checks have ejected it. */
  readonly ejections: number
}

/** An upstream while it runs, for code of the app. */
export interface UpstreamControl {
  readonly name: string
  /** What all its targets have to do, those that it had before included; and how many requests and handshakes wait for a place. */
  readonly load: Readonly<UpstreamLoad> & { readonly waiting: number }
  /** Its targets, with what each has to do now: all that share an origin count together. */
  readonly targets: readonly TargetStatus[]
  /**
   * Puts other targets in the place of those that it has. Requests under way end where they are; sessions on a target
   * that is gone end as `onRemoved` of their route says.
   *
   * @throws SLUICE_OPTIONS_INVALID, SLUICE_TARGET_MALFORMED; then nothing has changed.
   */
  setTargets (targets: readonly TargetOptions[]): void
  /**
   * Changes one target.
   *
   * @param url The origin of one of its targets.
   * @param change Its weight, from 1 to 1000; its state: with 'drain' it gets nothing new but
   *   from clients that a sticky cookie keeps there, and keeps its sessions; with 'maintenance' it gets nothing at all, and
   *   its sessions end as though it had been removed; 'ready' puts it back.
   * @throws SLUICE_OPTIONS_INVALID for another URL, weight or state.
   */
  setTarget (url: string, change: { weight?: number, state?: TargetState }): void
  /**
   * Moves sessions from targets that have more than their fair share, by weight, to those that have less, such as one that
   * was added: ends them with Close 1012, after which clients come back. The oldest go first.
   *
   * @returns How many are moved.
   * @throws SLUICE_OPTIONS_INVALID
   */
  rebalance (options?: RebalanceOptions): number
}

/** How sessions are moved. */
export interface RebalanceOptions {
  /** Share of the surplus that is moved. Default: 1, all of it. */
  share?: number
  /** Milliseconds over which the sessions end, evenly. Default: 30,000. */
  spread?: number
}

/** What controls need of their gateway. */
export interface ControlHost {
  /** An upstream has other targets. */
  targetsChanged (): void
  /** @returns How many sessions a target has in an upstream. */
  sessionsOn (upstream: string, endpoint: Endpoint): number
  /** Ends so many sessions on a target, the oldest first. */
  moveSessions (upstream: string, endpoint: Endpoint, count: number, spread: number): void
}

const Targets = Type.Array(TargetOptions, { minItems: 1 })
const Change = Type.Object({
  weight: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
  state: Type.Optional(Type.Union([Type.Literal('ready'), Type.Literal('drain'), Type.Literal('maintenance')]))
}, { additionalProperties: false })

const Rebalance = Type.Object({
  share: Type.Optional(Type.Number({ minimum: 0, maximum: 1, default: 1 })),
  spread: Type.Optional(Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1, default: 30_000 }))
}, { additionalProperties: false })

/** @param host Does what concerns sessions. */
export function controlOf (upstream: Upstream, host: ControlHost): UpstreamControl {
  const where = `Upstream '${upstream.name}'`
  return {
    name: upstream.name,
    get load () {
      return { ...upstream.load, waiting: upstream.waiting }
    },
    get targets () {
      return upstream.targets.map(statusOf)
    },
    setTargets (targets) {
      if (upstream.isDiscovered) throw new OptionsInvalidError(where, 'its targets are found by a discovery, which would replace those given here. Change them where they are found.')
      upstream.setTargets(validated(Targets, targets, where))
      host.targetsChanged()
    },
    setTarget (url, change) {
      const { weight, state } = validated(Change, change, where)
      const { url: wanted } = parseTarget(url)
      const chosen = upstream.targets.filter(({ address }) => address.url === wanted)
      if (chosen.length === 0) throw new OptionsInvalidError(where, `it has no target '${wanted}'; it has ${upstream.targets.map(({ address }) => address.url).join(', ')}`)
      for (const target of chosen) {
        if (weight !== undefined) target.weight = weight
        if (state !== undefined) target.standing.setState(state)
      }
    },
    rebalance (options = {}) {
      const { share, spread } = withDefaults(Rebalance, validated(Rebalance, options, where), ['share', 'spread'])
      const taking = foremost(upstream.targets.filter(({ standing }) => standing.usable))
      const targets = upstream.targets.map(target => ({ endpoint: target.endpoint, weight: taking.includes(target) ? target.weight : 0, sessions: host.sessionsOn(upstream.name, target.endpoint) }))
      const weights = targets.reduce((sum, { weight }) => sum + weight, 0)
      if (weights === 0) return 0
      const all = targets.reduce((sum, { sessions }) => sum + sessions, 0)
      let moved = 0
      for (const { endpoint, weight, sessions } of targets) {
        // One that takes nothing new is not what is balanced: it has an end of its own.
        const surplus = weight === 0 ? 0 : Math.floor((sessions - Math.ceil(all * weight / weights)) * share)
        if (surplus <= 0) continue
        host.moveSessions(upstream.name, endpoint, surplus, spread)
        moved += surplus
      }
      return moved
    }
  }
}

function statusOf ({ address, weight, priority, labels, state, health, standing, endpoint }: Target): TargetStatus {
  const { since, reason, failed, ejected } = standing
  return { url: address.url, weight, priority, labels, state, health, since, reason, failures: failed, ejections: ejected, ...endpoint.load }
}
