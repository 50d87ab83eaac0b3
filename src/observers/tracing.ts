import type { Attributes, Context, Link, Span, Tracer } from '@opentelemetry/api'
import type * as OpenTelemetry from '@opentelemetry/api'
import { OptionsInvalidError } from '../errors.js'
import { version } from '../manifest.js'
import { withDefaults } from '../options/defaults.js'
import { TracingOptions } from '../options/index.js'
import type { HeaderList } from '../message/headers.js'
import type { Exchange, Outcome } from '../proxy/exchange.js'
import type { Observer } from '../proxy/observer.js'
import type { SessionEnd } from '../types.js'
import type { TargetAddress } from '../net/target-address.js'
import { redactedProtocol, redactUrl, type RedactUrl } from './redaction.js'

/** What of the configuration concerns spans. */
export interface TracingSettings {
  tracing?: boolean | TracingOptions | undefined
  /** Names of query parameters whose values are not in spans. Default: those that usually hold secrets. */
  redactQuery?: readonly string[] | undefined
}

/** Methods that may be part of a span's name; others could be made up by clients (the conventions of OpenTelemetry). */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT', 'QUERY'])

/** How long a stop waits for spans to be exported. Milliseconds. */
const FLUSH_TIMEOUT = 2_000

/** The spans of an exchange that is under way. */
interface Spans {
  /** Of the exchange; from its 101 on, of the session. */
  span: Span
  /** Where `span` is the active one. */
  context: Context
  attempt: Span | undefined
}

/**
 * Makes spans of exchanges, attempts and sessions (docs/tracing.md), and gives targets the trace context. Without
 * `load()` nothing of OpenTelemetry is loaded, and nothing is done.
 */
export class Tracing implements Observer {
  #api: typeof OpenTelemetry | undefined
  #tracer: Tracer | undefined
  #enabled = false
  #trustsParent = true
  #redact: RedactUrl = redactUrl()
  readonly #open = new WeakMap<Exchange, Spans>()

  /**
   * Loads the API of OpenTelemetry.
   *
   * @throws {OptionsInvalidError} if it is not installed.
   */
  async load (): Promise<void> {
    if (this.#api !== undefined) return
    try {
      this.#api = await import('@opentelemetry/api')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
      throw new OptionsInvalidError("Option 'tracing'", "@opentelemetry/api is not installed; run 'npm install @opentelemetry/api', and register an SDK before the gateway starts (docs/tracing.md)")
    }
    this.#tracer = this.#api.trace.getTracer('sluice', version())
  }

  /** What begins from now on has spans, or has none; what has begun keeps its own. */
  configure ({ tracing = false, redactQuery }: TracingSettings): void {
    this.#enabled = tracing !== false
    this.#trustsParent = withDefaults(TracingOptions, typeof tracing === 'object' ? tracing : {}, ['trustParent']).trustParent
    this.#redact = redactUrl(redactQuery)
  }

  /** Whether spans are made, and go nowhere since no SDK is registered. */
  get isIdle (): boolean {
    if (!this.#enabled || this.#api === undefined) return false
    const provider = this.#api.trace.getTracerProvider()
    return provider instanceof this.#api.ProxyTracerProvider && provider.getDelegateTracer('sluice') === undefined
  }

  /** Has the SDK export what it holds. Never rejects. */
  async flush (): Promise<void> {
    if (this.#api === undefined) return
    const provider = this.#api.trace.getTracerProvider()
    const sdk = (provider instanceof this.#api.ProxyTracerProvider ? provider.getDelegate() : provider) as { forceFlush?: () => Promise<void> }
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<void>(resolve => { timer = setTimeout(resolve, FLUSH_TIMEOUT) })
    try {
      await Promise.race([sdk.forceFlush?.(), timeout])
    } catch {
      // The SDK has reported it.
    } finally {
      clearTimeout(timer)
    }
  }

  onStart (exchange: Exchange): void {
    if (!this.#enabled) return
    const { request, route } = exchange
    const method = METHODS.has(request.method) ? request.method : 'HTTP'
    const { trace, SpanKind } = this.#api!
    const { parent, links, isLocal } = this.#parentOf(request)
    const span = this.#tracer!.startSpan(`${method} ${route}`, { kind: isLocal ? SpanKind.INTERNAL : SpanKind.SERVER, links }, parent)
    // Without an SDK there are none, and with none there is nothing to pass on.
    if (!this.#api!.isSpanContextValid(span.spanContext())) return
    if (span.isRecording()) span.setAttributes(this.#requestAttributes(exchange))
    this.#open.set(exchange, { span, context: trace.setSpan(parent, span), attempt: undefined })
    exchange.trace = idsOf(span)
  }

  /** The span of another instrumentation that is under way here, or the one that the client names. */
  #parentOf ({ headers }: Exchange['request']): { parent: Context, links: Link[], isLocal: boolean } {
    const { context, propagation, trace } = this.#api!
    const active = context.active()
    const local = trace.getSpanContext(active)
    if (local !== undefined) return { parent: active, links: [], isLocal: local.isRemote !== true }
    const named = propagation.extract(active, headers)
    if (this.#trustsParent) return { parent: named, links: [], isLocal: false }
    const remote = trace.getSpanContext(named)
    return { parent: active, links: remote === undefined ? [] : [{ context: remote }], isLocal: false }
  }

  onAttempt (exchange: Exchange): void {
    const spans = this.#open.get(exchange)
    if (spans === undefined) return
    const { trace, propagation, SpanKind } = this.#api!
    const { request: { method }, attempts } = exchange
    const attempt = this.#tracer!.startSpan(METHODS.has(method) ? method : 'HTTP', { kind: SpanKind.CLIENT }, spans.context)
    spans.attempt = attempt
    if (attempt.isRecording()) {
      attempt.setAttributes(this.#targetAttributes(exchange))
      if (attempts > 1) attempt.setAttribute('http.request.resend_count', attempts - 1)
    }
    const carrier: Record<string, string> = {}
    propagation.inject(trace.setSpan(spans.context, attempt), carrier)
    const headers: HeaderList = Object.entries(carrier).flat()
    // A tracestate belongs to its traceparent: what is not set anew must not stay.
    exchange.propagated = headers.length === 0 ? undefined : { replaces: propagation.fields(), headers }
  }

  onAttemptFailed (exchange: Exchange, error: Error): void {
    const spans = this.#open.get(exchange)
    if (spans?.attempt === undefined) return
    this.#fail(spans.attempt, error)
    spans.attempt.end()
    spans.attempt = undefined
  }

  onSession (exchange: Exchange): void {
    const spans = this.#open.get(exchange)
    if (spans === undefined) return
    const { span: handshake, context } = spans
    this.#endAttempt(spans, exchange, 101)
    handshake.setAttributes({ 'http.response.status_code': 101, 'sluice.upstream': exchange.upstream, 'sluice.attempts': exchange.attempts })
    handshake.end()
    const { id, subprotocol } = exchange.session!
    spans.span = this.#tracer!.startSpan(`WebSocket ${exchange.route}`, { kind: this.#api!.SpanKind.INTERNAL }, context)
    spans.span.setAttributes(defined({
      'http.route': exchange.route,
      'client.address': exchange.request.ip,
      'sluice.session.id': id,
      'sluice.session.subprotocol': redactedProtocol(subprotocol),
      'sluice.upstream': exchange.upstream,
      'sluice.target': exchange.targetUrl
    }))
    exchange.trace = idsOf(spans.span)
  }

  onReconnect (exchange: Exchange, attempt: number, error: Error | undefined): void {
    const spans = this.#open.get(exchange)
    if (spans === undefined) return
    if (error === undefined) this.#endAttempt(spans, exchange, 101)
    spans.span.addEvent(error === undefined ? 'reconnected' : 'reconnect failed', defined({ 'sluice.target': exchange.targetUrl, 'sluice.reconnect.attempt': attempt }))
  }

  onEnd (exchange: Exchange, outcome: Outcome): void {
    const spans = this.#open.get(exchange)
    if (spans === undefined) return
    this.#open.delete(exchange)
    const { span } = spans
    if (outcome.session !== undefined) {
      span.setAttributes(defined(sessionAttributes(outcome.session)))
      span.end()
      return
    }
    const { by, reason, status, error } = outcome
    // What the gateway responds says nothing of the target.
    this.#endAttempt(spans, exchange, exchange.firstByteAt === 0 || by === 'gateway' ? undefined : status, reason === 'broken-off' ? error : undefined)
    span.setAttributes(defined({
      'http.response.status_code': status,
      'sluice.upstream': exchange.upstream,
      'sluice.attempts': exchange.attempts,
      'sluice.by': by,
      'sluice.reason': reason
    }))
    if (reason === 'broken-off' || (status !== undefined && status >= 500)) this.#fail(span, error, status)
    span.end()
  }

  #endAttempt (spans: Spans, exchange: Exchange, status: number | undefined, error?: Error): void {
    const { attempt } = spans
    if (attempt === undefined) return
    spans.attempt = undefined
    if (attempt.isRecording()) {
      for (const [name, time] of [['connected', exchange.connectedAt], ['request sent', exchange.sentAt], ['response head', exchange.firstByteAt]] as const) {
        if (time !== 0) attempt.addEvent(name, time)
      }
      if (status !== undefined) attempt.setAttribute('http.response.status_code', status)
      // The conventions: to a client, a 4xx is an error, too.
      if (error !== undefined || (status !== undefined && status >= 400)) this.#fail(attempt, error, status)
    }
    attempt.end()
  }

  #fail (span: Span, error: Error | undefined, status?: number): void {
    const { SpanStatusCode } = this.#api!
    const { code, cause } = (error ?? {}) as NodeJS.ErrnoException
    span.setAttribute('error.type', code ?? (error === undefined ? String(status) : error.name))
    const message = error === undefined ? undefined : cause instanceof Error ? `${error.message} (${cause.message})` : error.message
    span.setStatus(message === undefined ? { code: SpanStatusCode.ERROR } : { code: SpanStatusCode.ERROR, message })
  }

  #requestAttributes ({ kind, request, route }: Exchange): Attributes {
    const { method, headers } = request
    const [path, query] = this.#redact(request.url).split(/\?(.*)/s)
    return defined({
      'http.request.method': METHODS.has(method) ? method : '_OTHER',
      'http.request.method_original': METHODS.has(method) ? undefined : method,
      'http.route': route,
      'url.scheme': request.protocol,
      'url.path': path,
      'url.query': query === '' ? undefined : query,
      'server.address': request.hostname,
      'server.port': request.port ?? undefined,
      'client.address': request.ip,
      'user_agent.original': headers['user-agent'],
      'sluice.kind': kind,
      'sluice.request.id': request.id
    })
  }

  #targetAttributes ({ request: { method }, target, path }: Exchange): Attributes {
    const { address } = target!
    return defined({
      'http.request.method': METHODS.has(method) ? method : '_OTHER',
      ...placeOf(address),
      'url.full': address.socketPath === undefined ? this.#redact(address.url + path) : undefined,
      'sluice.target': address.url
    })
  }
}

function placeOf ({ socketPath, hostname, port }: TargetAddress): Attributes {
  return socketPath === undefined
    ? { 'server.address': hostname, 'server.port': port }
    : { 'server.address': socketPath, 'network.transport': 'unix' }
}

function sessionAttributes ({ by, reason, code, duration, reconnects, fromClient, fromTarget }: SessionEnd): Attributes {
  return {
    'sluice.by': by,
    'sluice.reason': reason,
    'sluice.session.close_code': code,
    'sluice.session.duration_ms': duration,
    'sluice.session.reconnects': reconnects,
    'sluice.session.client.messages': fromClient.messages,
    'sluice.session.client.bytes': fromClient.bytes,
    'sluice.session.target.messages': fromTarget.messages,
    'sluice.session.target.bytes': fromTarget.bytes
  }
}

/** By the names that log lines have for them. */
function idsOf (span: Span): { trace_id: string, span_id: string } {
  const { traceId, spanId } = span.spanContext()
  return { trace_id: traceId, span_id: spanId }
}

function defined (attributes: Attributes): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined))
}
