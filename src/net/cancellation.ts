/**
 * Gives up what is under way for a request or a handshake, one step at a time.
 *
 * An AbortController does the same for many listeners; a handshake would need three, at a tenth of its cost.
 */
export class Cancellation {
  cancelled = false
  /** What to do when it comes. */
  listener: (() => void) | undefined

  cancel (): void {
    if (this.cancelled) return
    this.cancelled = true
    this.listener?.()
  }
}
