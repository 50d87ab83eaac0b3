import { channel } from 'node:diagnostics_channel'
import type { Exchange, Outcome } from '../proxy/exchange.js'
import type { Observer } from '../proxy/observer.js'
import type { TargetChange } from '../upstreams/standing.js'

const channels = {
  start: channel('sluice:exchange:start'),
  attempt: channel('sluice:attempt:start'),
  attemptFailed: channel('sluice:attempt:error'),
  session: channel('sluice:session:open'),
  reconnect: channel('sluice:session:reconnect'),
  end: channel('sluice:exchange:end'),
  target: channel('sluice:target:change')
}

/** Tells the subscribers of Node's diagnostics channels what becomes of exchanges (docs/logs.md). */
export const diagnostics: Observer = {
  onStart (exchange: Exchange): void {
    if (channels.start.hasSubscribers) channels.start.publish({ exchange })
  },
  onAttempt (exchange: Exchange): void {
    if (channels.attempt.hasSubscribers) channels.attempt.publish({ exchange })
  },
  onAttemptFailed (exchange: Exchange, error: Error): void {
    if (channels.attemptFailed.hasSubscribers) channels.attemptFailed.publish({ exchange, error })
  },
  onSession (exchange: Exchange): void {
    if (channels.session.hasSubscribers) channels.session.publish({ exchange })
  },
  onReconnect (exchange: Exchange, attempt: number, error: Error | undefined): void {
    if (channels.reconnect.hasSubscribers) channels.reconnect.publish({ exchange, attempt, error })
  },
  onEnd (exchange: Exchange, outcome: Outcome): void {
    if (channels.end.hasSubscribers) channels.end.publish({ exchange, outcome })
  },
  onTargetChange (change: TargetChange): void {
    if (channels.target.hasSubscribers) channels.target.publish({ change })
  }
}
