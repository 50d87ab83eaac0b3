import fastifyError from '@fastify/error'

/**
 * Every error of the gateway, in one table. A message names the offender and the fix.
 *
 * The first block is for the author of the configuration or the code and may name anything. The second
 * block reaches clients, so it names no address, no stack and no message of a library (ARCHITECTURE.md, rule 4);
 * the cause goes into the log, as `error.cause`.
 */

/** Whose fault an error is: that of the client, of the target, or of the gateway and its configuration. */
export type ErrorSource = 'client' | 'target' | 'gateway'

/** An error of the gateway. */
export interface GatewayError extends Error {
  code: string
  statusCode?: number
  source: ErrorSource
  /** Whether another target may do better. Whether it may be asked depends on what was sent to this one. */
  retryable: boolean
}

/** The class of an error of the gateway, which can be called without `new` as well. */
export interface GatewayErrorClass<Args extends unknown[]> {
  new (...args: [...Args, options?: ErrorOptions]): GatewayError
  (...args: [...Args, options?: ErrorOptions]): GatewayError
  readonly prototype: GatewayError
}

/** Its own types: those of @fastify/error are found under no name that holds for each kind of `moduleResolution`. */
function createError<Args extends unknown[] = []> (code: string, message: string, statusCode: number, source: ErrorSource = 'gateway', retryable = false): GatewayErrorClass<Args> {
  const errorClass = fastifyError(code, message, statusCode) as GatewayErrorClass<unknown[]> as GatewayErrorClass<Args>
  Object.assign(errorClass.prototype, { source, retryable })
  return errorClass
}

/** Whose fault an error is. One that is not in this table comes from code of the app. */
export function sourceOf (error: unknown): ErrorSource {
  return (error as Partial<GatewayError> | null | undefined)?.source ?? 'gateway'
}

/** Whether another target may do better, after this error. */
export function isRetryable (error: unknown): boolean {
  return (error as Partial<GatewayError> | null | undefined)?.retryable === true
}

/** Whether the client may come back: the gateway, or all that it may use, is busy or stopping. Such a response has Retry-After. */
export function isTemporary (error: unknown): boolean {
  const { code, statusCode } = (error ?? {}) as Partial<GatewayError>
  return code?.startsWith('SLUICE_') === true && (statusCode === 503 || statusCode === 429)
}

// ---- For those who configure or embed the gateway

/** `app.upstream()` was called twice with one name. */
export const UpstreamDuplicateError = createError<[string]>(
  'SLUICE_UPSTREAM_DUPLICATE', "Upstream '%s' is declared already. Give the second declaration another name, or remove it.", 500)
/** A route names an upstream that nobody declared. Reported when the app becomes ready. */
export const UpstreamUnknownError = createError<[string, string, string]>(
  'SLUICE_UPSTREAM_UNKNOWN', "Route '%s' names upstream '%s', which is not declared. Declare it with app.upstream('%s', { targets: [...] }), or correct the name.", 500)
/** A target is not an origin. */
export const TargetMalformedError = createError<[string, string]>(
  'SLUICE_TARGET_MALFORMED', "'%s' is not a valid target: %s", 500)
/** Options do not match their schema. */
export const OptionsInvalidError = createError<[string, string]>(
  'SLUICE_OPTIONS_INVALID', '%s: %s', 500)
/** A route's options contradict each other. */
export const RouteInvalidError = createError<[string, string]>(
  'SLUICE_ROUTE_INVALID', "Route '%s': %s", 500)
/** A configuration file or object is wrong. The message gives file, line, column, path and the fix. */
export const ConfigInvalidError = createError<[string]>('SLUICE_CONFIG_INVALID', '%s', 500)
/** The service was started with arguments that it does not understand. */
export const UsageError = createError<[string]>('SLUICE_USAGE', '%s', 500)

// ---- For clients

/** The handshake is not one of RFC 6455 §4.1. */
export const HandshakeInvalidError = createError<[string]>(
  'SLUICE_HANDSHAKE_INVALID', 'Invalid WebSocket handshake: %s', 400, 'client')
/** The client asks for a version other than 13 (RFC 6455 §4.2.2); the response names 13. */
export const HandshakeVersionError = createError(
  'SLUICE_HANDSHAKE_VERSION', 'Unsupported WebSocket version: Sec-WebSocket-Version must be 13', 426, 'client')
/** The Origin of the handshake is not one of the route's `origins`. */
export const OriginForbiddenError = createError(
  'SLUICE_ORIGIN_FORBIDDEN', 'This origin may not open a WebSocket here', 403, 'client')
/** The date that the route's `until` gives lies in the past. */
export const SessionExpiredError = createError(
  'SLUICE_SESSION_EXPIRED', 'The right to this WebSocket has expired', 403, 'client')
/** The client has as many sessions as `maxSessionsPerClient` allows. */
export const ClientFullError = createError(
  'SLUICE_CLIENT_FULL', 'Too many WebSockets from this address', 429, 'client')
/** The route has as many sessions as `maxSessions` allows. */
export const RouteFullError = createError(
  'SLUICE_ROUTE_FULL', 'Too many WebSockets at the moment', 503)
/** Sessions of the same key (`messageRate.key` or `targetMessageRate.key`) were closed for sending more than the rate, and have to wait. */
export const RateExceededError = createError(
  'SLUICE_RATE_EXCEEDED', 'Too many messages: wait before you open another WebSocket', 429, 'client')
/** The function in `messageRate.key` or `targetMessageRate.key` threw, or gave something else than a text. The cause names the option. */
export const RateKeyError = createError(
  'SLUICE_RATE_KEY', 'The WebSocket could not be opened', 500)
/** The path cannot be sent on without leaving the route (dot segments, a foreign form). */
export const PathInvalidError = createError<[string]>('SLUICE_PATH_INVALID', 'Invalid request path: %s', 400, 'client')
/** The path is longer than the pattern of its route's `rewrite` is tried on (RFC 9110 §15.5.15). */
export const PathTooLongError = createError(
  'SLUICE_PATH_TOO_LONG', 'The path of the request is too long', 414, 'client')
/** The request can be read in more than one way. */
export const RequestInvalidError = createError<[string]>('SLUICE_REQUEST_INVALID', 'Invalid request: %s', 400, 'client')
/** No connection to a target came about, or it broke before a response. */
export const TargetUnreachableError = createError(
  'SLUICE_TARGET_UNREACHABLE', 'The upstream could not be reached', 502, 'target', true)
/** The target's response breaks the protocol: garbage, a wrong Sec-WebSocket-Accept, a 101 nobody asked for. */
export const TargetResponseInvalidError = createError(
  'SLUICE_TARGET_RESPONSE_INVALID', 'The upstream sent an invalid response', 502, 'target')
/** The head of the target's response, the interim responses before it or its trailers are longer than the upstream's `maxHeaderSize`. */
export const TargetHeadersTooLargeError = createError(
  'SLUICE_TARGET_HEADERS_TOO_LARGE', 'The upstream sent response headers that are too large', 502, 'target')
/** All that the limits of the upstream allow is in use, and the queue for a place is full, or took too long. */
export const TargetBusyError = createError(
  'SLUICE_TARGET_BUSY', 'The upstream is busy', 503, 'target', true)
/** The function in `upstream` threw, or gave something that is neither a declared name nor a URL. */
export const UpstreamSelectionError = createError(
  'SLUICE_UPSTREAM_SELECTION', 'No upstream could be chosen for this request', 502)
/** A hook has read a body that the gateway was to stream. The cause names the route and the fix. */
export const BodyConsumedError = createError(
  'SLUICE_BODY_CONSUMED', 'The request body could not be passed on', 500)
/** A function in `headers` gave something that no header may hold. */
export const RewriteInvalidError = createError(
  'SLUICE_REWRITE_INVALID', 'The request could not be passed on', 500)
/** The request came over HTTP/2, which an app may speak beside the gateway; it is passed on from HTTP/1 alone. */
export const HttpVersionError = createError(
  'SLUICE_HTTP_VERSION', 'Requests of this version of HTTP are not passed on', 505, 'client')
/** The target took the connection and did not respond within the limit. */
export const TargetTimeoutError = createError(
  'SLUICE_TARGET_TIMEOUT', 'The upstream did not respond in time', 504, 'target')
/** The target took longer than the upstream's `attemptTimeout`, and another attempt was made, or could not be. */
export const AttemptTimeoutError = createError(
  'SLUICE_ATTEMPT_TIMEOUT', 'The upstream did not respond in time', 504, 'target', true)
/** The client does not send its request, or sends it too slowly (the limits of the listener). */
export const RequestTimeoutError = createError(
  'SLUICE_REQUEST_TIMEOUT', 'The request did not arrive in time', 408, 'client')
/** The head of the request has too many fields, or is too long (the limits of the listener; RFC 6585 §5). */
export const HeadersTooLargeError = createError<[string]>(
  'SLUICE_HEADERS_TOO_LARGE', 'The headers of the request are too large: %s', 431, 'client')
/** The body is longer than the route's `bodyLimit`. */
export const BodyTooLargeError = createError(
  'SLUICE_BODY_TOO_LARGE', 'The request body is too large', 413, 'client')
/** The client sends its body too slowly (body idle limit). */
export const BodyTimeoutError = createError(
  'SLUICE_BODY_TIMEOUT', 'The request body did not arrive in time', 408, 'client')
/** The client expects something other than 100-continue (RFC 9110 §10.1.1). */
export const ExpectationFailedError = createError(
  'SLUICE_EXPECTATION_FAILED', 'Expect may be 100-continue and nothing else', 417, 'client')
/** The gateway is stopping and takes no new sessions. */
export const DrainingError = createError('SLUICE_DRAINING', 'The gateway is stopping', 503)
/** The client has left before it had its response. No response is sent; the error stands in the log. */
export const ClientLeftError = createError(
  'SLUICE_CLIENT_LEFT', 'The client has left', 499, 'client')
/** A stream that a hook has put in the place of the body has failed. The cause is its error. */
export const BodyFailedError = createError(
  'SLUICE_BODY_FAILED', 'The request body could not be passed on', 500)
/** No target of the upstream takes anything new: all of them are being drained. */
export const NoTargetError = createError(
  'SLUICE_NO_TARGET', 'The upstream takes no requests at the moment', 503)

// ---- For clients of the admin listener

/** A page of another origin asks, or a name that may have been made to point here (DNS rebinding). */
export const AdminForbiddenError = createError<[string]>(
  'SLUICE_ADMIN_FORBIDDEN', 'Refused: %s', 403, 'client')
/** The token is missing, or is another one. */
export const AdminUnauthorizedError = createError(
  'SLUICE_ADMIN_UNAUTHORIZED', 'The admin listener needs its token', 401, 'client')
/** What was asked for cannot be done. */
export const AdminInvalidError = createError<[string]>(
  'SLUICE_ADMIN_INVALID', '%s', 400, 'client')
/** A session that has ended, or an upstream or a target of another name. */
export const AdminNotFoundError = createError<[string]>(
  'SLUICE_ADMIN_NOT_FOUND', 'Not found: %s', 404, 'client')

// ---- For clients of the demo

/** A page of another origin asks, or a name that may have been made to point here (DNS rebinding). */
export const DemoForbiddenError = createError<[string]>(
  'SLUICE_DEMO_FORBIDDEN', 'Refused: %s', 403, 'client')
