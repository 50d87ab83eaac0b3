import { Type } from '@sinclair/typebox'
import { OptionsInvalidError } from '../errors.js'
import { parseTarget } from '../net/target-address.js'
import { TargetOptions } from '../options/index.js'
import { validated } from '../options/validate.js'
import type { Load } from './endpoint.js'
import type { Target, TargetState } from './target.js'
import type { Upstream } from './upstream.js'

/** A target of an upstream, as it is now. */
export interface TargetStatus extends Load {
  readonly url: string
  readonly weight: number
  readonly state: TargetState
}

/** An upstream while it runs, for code of the app. */
export interface UpstreamControl {
  readonly name: string
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
   * @param change Its weight, from 1 to 1000; its state: one that is 'draining' gets nothing new, and keeps what it has.
   * @throws SLUICE_OPTIONS_INVALID for another URL, weight or state.
   */
  setTarget (url: string, change: { weight?: number, state?: TargetState }): void
}

const Targets = Type.Array(TargetOptions, { minItems: 1 })
const Change = Type.Object({
  weight: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
  state: Type.Optional(Type.Union([Type.Literal('ready'), Type.Literal('draining')]))
}, { additionalProperties: false })

/** @param onTargets Is called when an upstream has other targets. */
export function controlOf (upstream: Upstream, onTargets: () => void): UpstreamControl {
  const where = `Upstream '${upstream.name}'`
  return {
    name: upstream.name,
    get targets () {
      return upstream.targets.map(statusOf)
    },
    setTargets (targets) {
      upstream.setTargets(validated(Targets, targets, where))
      onTargets()
    },
    setTarget (url, change) {
      const { weight, state } = validated(Change, change, where)
      const { origin } = parseTarget(url)
      const chosen = upstream.targets.filter(({ address }) => address.origin === origin)
      if (chosen.length === 0) throw new OptionsInvalidError(where, `it has no target '${origin}'; it has ${upstream.targets.map(({ address }) => address.origin).join(', ')}`)
      for (const target of chosen) {
        if (weight !== undefined) target.weight = weight
        if (state !== undefined) target.state = state
      }
    }
  }
}

function statusOf ({ address, weight, state, endpoint }: Target): TargetStatus {
  return { url: address.origin, weight, state, ...endpoint.load }
}
