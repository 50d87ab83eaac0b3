import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import { DrainingError } from '../errors.js'
import { withDefaults } from '../options/defaults.js'
import { AccessLogOptions } from '../options/index.js'
import type { Exchange, Outcome } from '../proxy/exchange.js'
import type { Observer } from '../proxy/observer.js'
import type { SessionRequest } from '../types.js'
import { redactedHeaders, redactedProtocol } from './redaction.js'

/** What an access log writes, and how. */
export interface AccessLogSettings {
  /** Whether requests have lines; otherwise only sessions do, and requests that went wrong without a response that tells. */
  accessLog: boolean | AccessLogOptions
  /** Names of headers whose values are not logged. Default: those that usually hold secrets. */
  redactHeaders?: readonly string[] | undefined
}

export type LineLevel = 'info' | 'warn' | 'error'

/** Writes lines to the logs of requests. */
export interface LineWriter {
  /** @returns Whether it has written the line of a request at the level `info`; otherwise `line()` is to do it. */
  request (exchange: Exchange, outcome: Outcome, text: string): boolean
  line (log: FastifyBaseLogger, level: LineLevel, line: AccessLine, text: string): void
}

const byLogger: LineWriter = {
  request: () => false,
  line: (log, level, line, text) => { log[level](line, text) }
}

/** The fields of a line, in their order (docs/logs.md). */
export interface AccessLine {
  /** Serialised by the logger. */
  req: FastifyRequest | SessionRequest
  err?: Error
}

/**
 * Writes a line for each exchange that is over: to the log of its request, with Fastify's own names for what Fastify
 * logs too (docs/logs.md).
 */
export class AccessLog implements Observer {
  /** A service that has made the logger knows a faster way. */
  writer = byLogger
  /** From 0 to 1. Tests have their own. */
  random: () => number = Math.random
  #requests = true
  #sample = 1
  #requestHeaders: readonly string[] = []
  #responseHeaders: readonly string[] = []
  #redact = redactedHeaders()

  constructor (settings: AccessLogSettings) {
    this.configure(settings)
  }

  configure ({ accessLog, redactHeaders }: AccessLogSettings): void {
    const { sample, requestHeaders, responseHeaders } = withDefaults(AccessLogOptions, typeof accessLog === 'object' ? accessLog : {}, ['sample', 'requestHeaders', 'responseHeaders'])
    this.#requests = accessLog !== false
    this.#sample = sample
    this.#requestHeaders = requestHeaders.map(name => name.toLowerCase())
    this.#responseHeaders = responseHeaders.map(name => name.toLowerCase())
    this.#redact = redactedHeaders(redactHeaders)
  }

  /** A line for each retry: one that helps leaves no other trace but a number. */
  onAttempt ({ attempts, route, upstream, targetUrl, attemptError, session, log }: Exchange): void {
    if (attempts > 1 && session === undefined) log.info({ route, upstream, target: targetUrl, attempt: attempts, err: attemptError }, 'retry')
    else log.debug({ route, upstream, target: targetUrl }, 'target chosen')
  }

  onAttemptFailed ({ attempts, route, upstream, targetUrl, log }: Exchange, error: Error): void {
    log.debug({ route, upstream, target: targetUrl, attempt: attempts, err: error }, 'attempt failed')
  }

  onSession ({ route, upstream, targetUrl, attempts, timings, session, log }: Exchange): void {
    log.debug({ session: session!.id, route, upstream, target: targetUrl, attempts, timings }, 'websocket session opened')
  }

  onReconnect ({ session, route, upstream, targetUrl, log }: Exchange, attempt: number, err: Error | undefined): void {
    const fields = { session: session!.id, route, upstream, attempt }
    if (err === undefined) log.info({ ...fields, target: targetUrl }, 'websocket session reconnected')
    else log.warn({ ...fields, err }, 'websocket session could not be reconnected')
  }

  onEnd (exchange: Exchange, outcome: Outcome): void {
    const { log } = exchange
    if (outcome.session !== undefined) return this.writer.line(log, 'info', this.#sessionLine(exchange, outcome.session), 'websocket session ended')
    if (!this.#requests) {
      if (outcome.reason === 'left') log.info(summary(exchange, outcome), 'the client has left before the end of its response')
      else if (outcome.reason === 'broken-off') log.warn(summary(exchange, outcome), 'the response of the upstream broke off')
      return
    }
    const isPlain = outcome.error === undefined
    if (this.#sample < 1 && isPlain && isUnremarkable(outcome) && this.random() >= this.#sample) return
    const text = 'request completed'
    if (isPlain && !this.#logsHeaders && this.writer.request(exchange, outcome, text)) return
    this.writer.line(log, levelOf(outcome), this.#requestLine(exchange, outcome), text)
  }

  get #logsHeaders (): boolean {
    return this.#requestHeaders.length + this.#responseHeaders.length > 0
  }

  #requestLine (exchange: Exchange, outcome: Outcome): AccessLine {
    const line = {
      req: exchange.request,
      res: { statusCode: outcome.status },
      responseTime: exchange.endedAt - exchange.acceptedAt,
      ...summary(exchange, outcome)
    }
    if (exchange.trace !== undefined) Object.assign(line, exchange.trace)
    return !this.#logsHeaders ? line : { ...line, headers: this.#headersOf(exchange) } as AccessLine
  }

  #sessionLine (exchange: Exchange, end: NonNullable<Outcome['session']>): AccessLine {
    const { request, session, route, upstream, attempts, timings } = exchange
    const line = {
      req: request,
      session: { id: session!.id, target: exchange.targetUrl, subprotocol: redactedProtocol(session!.subprotocol), ...end },
      route,
      upstream,
      attempts,
      timings
    }
    if (exchange.trace !== undefined) Object.assign(line, exchange.trace)
    return this.#requestHeaders.length === 0 ? line : { ...line, headers: this.#headersOf(exchange) } as AccessLine
  }

  #headersOf ({ request: { headers }, responseHeaders = [] }: Exchange): object {
    const received: Record<string, string | string[] | undefined> = {}
    for (let index = 0; index < responseHeaders.length; index += 2) received[responseHeaders[index]!.toLowerCase()] = responseHeaders[index + 1]
    return { request: this.#redact(headers, this.#requestHeaders), response: this.#redact(received, this.#responseHeaders) }
  }
}

function summary ({ kind, route, upstream, targetUrl, attempts, fromClient, fromTarget, timings }: Exchange, { by, reason, error }: Outcome): object {
  const fields = { kind, route, upstream, target: targetUrl, attempts, by, reason, bytes: { fromClient, fromTarget }, timings }
  return error === undefined ? fields : { ...fields, err: error }
}

/** Nobody would miss the line of one of many. */
function isUnremarkable ({ status = 500 }: Outcome): boolean {
  return status < 500
}

/** What a client does is no fault; a target's is worth a look; the gateway's own must be fixed. */
function levelOf ({ by, status, error }: Outcome): LineLevel {
  if (error === undefined || by === 'client' || error instanceof DrainingError) return 'info'
  if (by === 'target') return 'warn'
  return status !== undefined && status < 500 ? 'info' : 'error'
}
