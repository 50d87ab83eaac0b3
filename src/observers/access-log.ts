import { DrainingError } from '../errors.js'
import type { Exchange, Outcome } from '../proxy/exchange.js'
import type { Observer } from '../proxy/observer.js'
import { redactedProtocol } from './redaction.js'

/**
 * Writes a line for each exchange that is over: to the log of its request, with Fastify's own names for what Fastify
 * logs too (docs/logs.md).
 */
export class AccessLog implements Observer {
  /** Whether requests have lines; otherwise only sessions do, and requests that went wrong without a response that tells. */
  requests: boolean

  constructor (requests: boolean) {
    this.requests = requests
  }

  /** A line for each retry: one that helps leaves no other trace but a number. */
  onAttempt ({ attempts, route, upstream, targetUrl, attemptError, log }: Exchange): void {
    if (attempts > 1) log.info({ route, upstream, target: targetUrl, attempt: attempts, err: attemptError }, 'retry')
  }

  onEnd (exchange: Exchange, outcome: Outcome): void {
    if (outcome.session !== undefined) return logSession(exchange, outcome.session)
    if (this.requests) logRequest(exchange, outcome)
    else if (outcome.reason === 'left') exchange.log.info(summary(exchange, outcome), 'the client has left before the end of its response')
    else if (outcome.reason === 'broken-off') exchange.log.warn(summary(exchange, outcome), 'the response of the upstream broke off')
  }
}

function logRequest (exchange: Exchange, outcome: Outcome): void {
  const { request, log } = exchange
  log[levelOf(outcome)]({
    req: request,
    res: { statusCode: outcome.status },
    responseTime: exchange.endedAt - exchange.acceptedAt,
    ...summary(exchange, outcome)
  }, 'request completed')
}

function logSession (exchange: Exchange, end: NonNullable<Outcome['session']>): void {
  const { request, log, session, route, upstream, attempts, timings } = exchange
  log.info({
    req: request,
    session: { id: session!.id, target: exchange.targetUrl, subprotocol: redactedProtocol(session!.subprotocol), ...end },
    route,
    upstream,
    attempts,
    timings
  }, 'websocket session ended')
}

function summary ({ kind, route, upstream, targetUrl, attempts, fromClient, fromTarget, timings }: Exchange, { by, reason, error }: Outcome): object {
  return { kind, route, upstream, target: targetUrl, attempts, by, reason, bytes: { fromClient, fromTarget }, timings, ...error !== undefined && { err: error } }
}

/** What a client does is no fault; a target's is worth a look; the gateway's own must be fixed. */
function levelOf ({ by, status, error }: Outcome): 'info' | 'warn' | 'error' {
  if (error === undefined || by === 'client' || error instanceof DrainingError) return 'info'
  if (by === 'target') return 'warn'
  return status !== undefined && status < 500 ? 'info' : 'error'
}
