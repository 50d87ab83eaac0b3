import { withDefaults } from '../options/defaults.js'
import { WebSocketOptions } from '../options/index.js'
import type { Policy } from '../proxy/policy.js'
import { ContextTakeoverPolicy } from './context-takeover.js'
import { LifetimePolicy } from './lifetime.js'
import { MessageRatePolicy, type SharedRatesOf } from './message-rate/policy.js'
import { OfferPolicy } from './offer.js'
import { OriginPolicy } from './origin.js'
import { SessionLimitPolicy, type SessionCounts } from './session-limits.js'

/**
 * The policies that a route's options ask for, in the order in which a handshake meets them.
 *
 * @param readsMessages Whether the gateway must understand each message of a session.
 */
export function policiesOf (options: WebSocketOptions, counts: SessionCounts, sharedRatesOf: SharedRatesOf, readsMessages: () => boolean = () => false): Policy[] {
  const { origins, requireOrigin, protocols, compression, maxSessions, maxSessionsPerClient, until, maxLifetime, lifetimeJitter, messageRate, targetMessageRate } =
    withDefaults(WebSocketOptions, options, ['origins', 'requireOrigin', 'compression', 'lifetimeJitter'])
  const policies: Policy[] = []
  if (origins !== '*' || requireOrigin) policies.push(new OriginPolicy(origins, requireOrigin))
  if (protocols !== undefined || compression === 'off') policies.push(new OfferPolicy(protocols, compression !== 'off'))
  if (compression !== 'off') policies.push(new ContextTakeoverPolicy(readsMessages))
  // Also without a limit: a reload may set one, and the sessions that are open count then.
  policies.push(new SessionLimitPolicy({ total: maxSessions, perClient: maxSessionsPerClient }, counts))
  if (until !== undefined || maxLifetime !== undefined) policies.push(new LifetimePolicy({ until, maxLifetime, lifetimeJitter }))
  if (messageRate !== undefined || targetMessageRate !== undefined) policies.push(new MessageRatePolicy(messageRate, targetMessageRate, sharedRatesOf))
  return policies
}
