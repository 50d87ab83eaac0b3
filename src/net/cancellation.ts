/**
 * Gives up what is under way for a request or a handshake, one step at a time.
 *
 * An AbortController does the same for many listeners; a handshake would need three, at a tenth of its cost.
 */
export class Cancellation {
  /** Why it was given up; undefined as long as it was not. */
  reason: Error | undefined
  /** What to do when it comes. */
  listener: ((reason: Error) => void) | undefined

  get cancelled (): boolean {
    return this.reason !== undefined
  }

  cancel (reason: Error): void {
    if (this.reason !== undefined) return
    this.reason = reason
    this.listener?.(reason)
  }
}

/** One that is cancelled with another, and can be alone. It takes the place of the other's listener. */
export function cancelledWith (other: Cancellation): Cancellation {
  const cancellation = new Cancellation()
  if (other.reason !== undefined) cancellation.cancel(other.reason)
  other.listener = reason => cancellation.cancel(reason)
  return cancellation
}
