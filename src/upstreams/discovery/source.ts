import type { TargetOptions } from '../../options/index.js'

/** What a source of targets is given. */
export interface SourceContext {
  /** Ends it. */
  readonly signal: AbortSignal
  /**
   * Says that the targets could not be determined this time. Those before stay.
   *
   * @param error Its message names what was asked, and the fix where there is one.
   */
  report (error: Error): void
}

/**
 * Gives lists of targets, each of which takes the place of the one before. It ends with the signal. It goes on after
 * whatever goes wrong outside, and reports that.
 */
export type TargetSource = (context: SourceContext) => AsyncIterable<readonly TargetOptions[]>

/** What a source of ours is made of. */
export type Lists = AsyncGenerator<readonly TargetOptions[], void, undefined>

/** A source whose generator ends at once when it is let go of: by itself it would hear of that only after what it waits for. */
export function sourceBy (listsOf: (context: SourceContext) => Lists): TargetSource {
  return ({ signal, report }) => {
    const ending = new AbortController()
    const lists = listsOf({ signal: AbortSignal.any([signal, ending.signal]), report })
    const end = lists.return.bind(lists)
    lists.return = value => {
      ending.abort()
      return end(value)
    }
    return lists
  }
}
