/* Made from the schemas beside it by scripts/option-types.ts. Do not edit: run 'npm run docs'. */

import type { CloseFunction, DelayFunction, HashFunction, HeaderFunction, HeadersFunction, IgnoreUpgradeFunction, JsonSchema, MessageFunction, PongFunction, RateKeyFunction, ReconnectFunction, RewriteFunction, SessionEndFunction, SessionFunction, UntilFunction, UpstreamFunction } from './functions.js'

/** A string with the URL, or an object { url, weight, priority, host, labels }. */
export type TargetOptions = string | {
  /**
   * http://host:port, https://host:port, either with a path that is put before the path of each request; or
   * unix:/path of a socket.
   */
  url: string
  /** Share of the traffic, relative to the other targets of the upstream. Default: 1. */
  weight?: number
  /** Targets with a higher number get traffic only while none with a lower one is healthy. Default: 0. */
  priority?: number
  /**
   * Name by which the target is known, if its URL has an address: in Host where a route has host: 'target', in SNI,
   * and in its certificate. Default: the host of the URL.
   */
  host?: string
  /**
   * Names for people and programs, such as { version: canary }: they are shown in the status of the upstream and in
   * the log.
   */
  labels?: Record<string, string>
}

/** TLS towards the targets of an upstream. */
export interface UpstreamTlsOptions {
  /**
   * Certificates of the authorities that may have signed a target's, instead of those of Node: PEM text, or the path
   * of a file of it.
   */
  ca?: string | string[]
  /** Certificate that the gateway shows to a target: PEM text, or the path of a file of it. */
  cert?: string | string[]
  /** Private key of that certificate: PEM text, or the path of a file of it. */
  key?: string | string[]
  /** Name that a target's certificate must bear, and that is sent to it (SNI). Default: the host of the target. */
  servername?: string
  /** The oldest version of TLS that is spoken. Default: "TLSv1.2". */
  minVersion?: 'TLSv1.2' | 'TLSv1.3'
  /**
   * SHA-256 of a target's certificate in hexadecimal digits, as `openssl x509 -fingerprint -sha256` prints it, or
   * several, such as the present one and the next. A target with another certificate is refused; with
   * rejectUnauthorized: false this alone decides.
   */
  fingerprint?: string | string[]
  /**
   * Whether a target whose certificate does not verify is refused. Only ever false for tests: anyone could pose as
   * the target. Default: true.
   */
  rejectUnauthorized?: boolean
}

/** Targets from the records of a name in the DNS. */
export interface DnsOptions {
  /** Name that is resolved; with type srv, such as _http._tcp.app.internal. */
  name: string
  /**
   * Records that are asked for. Each address is a target. 'srv' also gives ports, weights and priorities. Default:
   * "a".
   */
  type?: 'a' | 'aaaa' | 'srv'
  /** Port of the targets; with srv, each record has its own. Default: that of the scheme. */
  port?: number
  /**
   * How the targets are met. With 'https', their certificates must bear the name that was resolved. Default: "http".
   */
  scheme?: 'http' | 'https'
  /**
   * Longest time from one query to the next; it is sooner where the records live shorter, but not before a second is
   * over. Milliseconds. Default: 5000.
   */
  refresh?: number
  /**
   * DNS servers that are asked, as addresses with an optional port, such as 127.0.0.1:5353. Default: those of the
   * system.
   */
  servers?: string[]
}

/** Targets from a JSON document at a URL. */
export interface HttpTargetsOptions {
  /** URL of a JSON array of targets, as `targets` has it. */
  url: string
  /**
   * Time from one request to the next; an ETag spares the transfer of what has not changed. Milliseconds. Default:
   * 5000.
   */
  refresh?: number
  /** Further headers of the request, such as Authorization. */
  headers?: Record<string, string>
}

/** Targets from the EndpointSlices of a Kubernetes Service. */
export interface KubernetesOptions {
  /** Name of the Service. */
  service: string
  /** Its namespace. Default: that of the gateway's service account. */
  namespace?: string
  /** Port of the endpoints, by name or number. Default: the only one. */
  port?: number | string
  /**
   * How the targets are met. Default: what appProtocol of the port says ('https', 'kubernetes.io/wss'), and http
   * otherwise.
   */
  scheme?: 'http' | 'https'
  /**
   * URL of the API server. Default: that of the cluster, from KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT.
   */
  api?: string
  /**
   * Folder with the files token, ca.crt and namespace of a service account that may list and watch
   * endpointslices.discovery.k8s.io. Default: "/var/run/secrets/kubernetes.io/serviceaccount".
   */
  serviceAccount?: string
}

/**
 * Targets that are found while the gateway runs: one of dns, file, http and kubernetes. The last good list is kept
 * when they cannot be determined.
 */
export interface DiscoveryOptions {
  /** Targets from the records of a name in the DNS. */
  dns?: DnsOptions
  /** Path of a JSON file with an array of targets, as `targets` has it. It is watched. */
  file?: string
  /** Targets from a JSON document at a URL. */
  http?: HttpTargetsOptions
  /** Targets from the EndpointSlices of a Kubernetes Service. */
  kubernetes?: KubernetesOptions
}

/** The same key goes to the same target, as long as that is healthy. */
export interface HashConfig {
  /**
   * What the same target is chosen for: 'address' (the client's, Fastify's request.ip), 'path', or a header, a cookie
   * or a query parameter by name. A request without it is balanced as by default.
   */
  hash: 'address' | 'path' | {
    header: string
  } | {
    cookie: string
  } | {
    query: string
  }
  /**
   * A target with more than this multiple of its fair share of the load is skipped, and the next one for the key is
   * taken: 1.25 is usual. Default: no bound.
   */
  boundedLoad?: number
}

/** The same key goes to the same target, as long as that is healthy. */
export interface HashOptions extends Omit<HashConfig, 'hash'> {
  /**
   * What the same target is chosen for: 'address' (the client's, Fastify's request.ip), 'path', or a header, a cookie
   * or a query parameter by name. A request without it is balanced as by default. From code, also a function of the
   * request that returns the key.
   */
  hash: 'address' | 'path' | {
    header: string
  } | {
    cookie: string
  } | {
    query: string
  } | HashFunction
}

/** A cookie that keeps a client at its target, set on HTTP responses and on the 101 of a WebSocket. */
export interface StickyOptions {
  /** Name of the cookie. Default: sluice_ and the name of the upstream. */
  cookie?: string
  /**
   * Key of the HMAC-SHA256 that stands for a target in the cookie, so that the cookie names no address and cannot be
   * made up. Gateways that serve the same clients need the same one. Default: a random one, made at the start, so
   * that clients may change their target when the gateway restarts.
   */
  secret?: string
  /** Path of the cookie. Default: "/". */
  path?: string
  /** Lifetime of the cookie. Seconds. Default: until the browser is closed. */
  maxAge?: number
  /**
   * SameSite of the cookie. 'None' is for clients embedded in other sites, and is sent with Secure. Default: "Lax".
   */
  sameSite?: 'Strict' | 'Lax' | 'None'
  /** Whether the cookie is sent over TLS only. Default: whether the client's request came over TLS. */
  secure?: boolean
}

/** Passive health checks: what traffic shows of a target. */
export interface PassiveHealthOptions {
  /**
   * Consecutive failures that eject a target: connections that cannot be made, new connections that break before a
   * response, and timeouts of a response head or a handshake. Refused handshakes do not count. Default: 3.
   */
  failures?: number
  /** Response statuses that count as failures, such as [502, 503]. Default: none. */
  statuses?: number[]
  /**
   * How long the first ejection of a target lasts; the second one in a row lasts twice as long, the third three
   * times, and so on, each shortened or lengthened by up to 20 %. Milliseconds. Default: 10000.
   */
  ejectFor?: number
  /** The longest ejection. Milliseconds. Default: 300000. */
  maxEjectFor?: number
  /**
   * Share of the targets that can be ejected at a time, rounded down, but at least one of several. The last target
   * that is healthy is never ejected. Default: 0.5.
   */
  maxEjected?: number
}

/** Active health checks: one of path, tcp and websocket, and when a target is up or down. */
export interface HealthOptions {
  /** Path, with query, of an HTTP GET. With websocket, that of the handshake. */
  path?: string
  /** Whether it is enough that a connection opens; over TLS, with its handshake. */
  tcp?: true
  /** Whether a WebSocket is opened, and closed with 1000, to check a target. */
  websocket?: true
  /**
   * Time from one check of a target to the next, shortened or lengthened by up to a fifth. The first check is made at
   * once, and one that contradicts the state of the target is repeated within a second. Milliseconds. Default: 5000.
   */
  interval?: number
  /** How long a check may take; then it has failed. Milliseconds. Default: 2000. */
  timeout?: number
  /** Failed checks in a row after which a target is down. Default: 2. */
  fall?: number
  /** Passed checks in a row after which it is up again. Default: 2. */
  rise?: number
  /** Statuses of an HTTP check that pass: numbers, or ranges such as '200-399'. Default: 200-399. */
  statuses?: Array<number | string>
  /** Host header of the check. Default: that of the target. */
  host?: string
  /** Further headers of the check. */
  headers?: Record<string, string>
  /** Port that is checked. Default: the target's. */
  port?: number
}

/** A named group of interchangeable targets, with one policy. */
export interface UpstreamConfig {
  /**
   * The interchangeable targets, over which requests and sessions are spread by weight; or where they are found: {
   * dns }, { file }, { http } or { kubernetes }.
   */
  targets: TargetOptions[] | DiscoveryOptions
  /**
   * Whether a cookie keeps a client at its target: true, or an object of options. Clients with HTTP long polling,
   * such as socket.io with its default transports, need it if there is more than one target. Default: false.
   */
  sticky?: boolean | StickyOptions
  /**
   * Whether a target with consecutive failures is ejected for a while: true, false, or an object of options. Default:
   * true.
   */
  passiveHealth?: boolean | PassiveHealthOptions
  /** Active health checks: one of path, tcp and websocket, and when a target is up or down. */
  health?: HealthOptions
  /**
   * What happens while no target is healthy: 'use-all' goes on as if all were, since a check can be wrong; 'refuse'
   * responds with 503 SLUICE_NO_TARGET and Retry-After. Targets that are drained or in maintenance are not used
   * either way. Default: "use-all".
   */
  whenNoneHealthy?: 'use-all' | 'refuse'
  /**
   * Over how long the weight of a target that came back or was added grows from a tenth to the whole; 0 for at once.
   * It does not apply at the start of the gateway. Milliseconds. Default: 0.
   */
  slowStart?: number
  /** How long a connection to a target may take to open; then 502. Milliseconds. Default: 5000. */
  connectTimeout?: number
  /**
   * How long a target may take to send the head of an HTTP response once the request is sent; then 504. Milliseconds.
   * Default: 60000.
   */
  headersTimeout?: number
  /**
   * How long an HTTP body may stand still, in either direction; then the exchange is broken off. Milliseconds.
   * Default: 60000.
   */
  bodyTimeout?: number
  /**
   * How often a request or a handshake is sent again, to another target if there is one, when its connection broke
   * before a response: only a request that is idempotent and has no body. If no connection could be made, nothing was
   * sent, so every other target is tried once, whatever the request. A response, such as 503, is relayed and never
   * retried. Default: 1.
   */
  retries?: number
  /**
   * How many of the requests and handshakes of the upstream that are under way may be such retries, as a share; three
   * are always allowed. Where there are more, the error of the first attempt is final. Default: 0.2.
   */
  retryBudget?: number
  /**
   * How long a target may take for the head of a response, or a 101, while another attempt could follow: that is then
   * made, under the rules of retries. The last attempt has headersTimeout, or handshakeTimeout. Milliseconds.
   * Default: no such limit.
   */
  attemptTimeout?: number
  /**
   * How long the head of a response may be, that to a handshake included; the interim responses before it, together;
   * and its trailers; then 502 SLUICE_TARGET_HEADERS_TOO_LARGE. Bytes. Default: 65536.
   */
  maxHeaderSize?: number
  /**
   * Connections to each target for requests; WebSocket sessions have their own and do not count. A further request
   * waits for one. Default: no limit.
   */
  maxConnections?: number
  /** Requests under way at each target. A further one goes to another target, or waits. Default: no limit. */
  maxRequests?: number
  /**
   * WebSocket sessions and handshakes at each target. A further handshake goes to another target, or waits. Default:
   * no limit.
   */
  maxSessions?: number
  /** Limits for all targets of the upstream together. */
  total?: {
    /** Requests under way at all targets together. Default: no limit. */
    maxRequests?: number
    /** WebSocket sessions and handshakes at all targets together. Default: no limit. */
    maxSessions?: number
  }
  /**
   * Requests that may wait for a place under maxRequests, or for a connection under maxConnections, and as many
   * handshakes under maxSessions; a further one gets 503 SLUICE_TARGET_BUSY, or where it is the connections of one
   * target that are missing, goes to another. Default: 1000.
   */
  maxQueue?: number
  /**
   * How long a request or a handshake may wait for such a place; then 503 SLUICE_TARGET_BUSY. Milliseconds. Default:
   * 10000.
   */
  queueTimeout?: number
  /** TLS towards the targets of an upstream. */
  tls?: UpstreamTlsOptions
  /**
   * How a target is chosen: one algorithm for requests and handshakes, or { requests, handshakes }. Default:
   * round-robin for requests, least-load for handshakes. 'round-robin' (smooth, weighted), 'least-load' (fewest
   * requests, handshakes and sessions by weight), 'random-two' (the less loaded of two drawn by weight), 'first' (the
   * first target that is healthy; the others are spares), or { hash } (weighted rendezvous hashing).
   */
  balance?: 'round-robin' | 'least-load' | 'random-two' | 'first' | HashConfig | {
    /**
     * 'round-robin' (smooth, weighted), 'least-load' (fewest requests, handshakes and sessions by weight),
     * 'random-two' (the less loaded of two drawn by weight), 'first' (the first target that is healthy; the others
     * are spares), or { hash } (weighted rendezvous hashing). Default: "round-robin".
     */
    requests?: 'round-robin' | 'least-load' | 'random-two' | 'first' | HashConfig
    /**
     * 'round-robin' (smooth, weighted), 'least-load' (fewest requests, handshakes and sessions by weight),
     * 'random-two' (the less loaded of two drawn by weight), 'first' (the first target that is healthy; the others
     * are spares), or { hash } (weighted rendezvous hashing). Default: "least-load".
     */
    handshakes?: 'round-robin' | 'least-load' | 'random-two' | 'first' | HashConfig
  }
}

/** A named group of interchangeable targets, with one policy. */
export interface UpstreamOptions extends Omit<UpstreamConfig, 'targets' | 'balance'> {
  /**
   * The interchangeable targets, over which requests and sessions are spread by weight; or where they are found: {
   * dns }, { file }, { http } or { kubernetes }. From code, also an async iterable of lists, each of which takes the
   * place of the one before.
   */
  targets: TargetOptions[] | DiscoveryOptions | AsyncIterable<readonly TargetOptions[]>
  /**
   * How a target is chosen: one algorithm for requests and handshakes, or { requests, handshakes }. Default:
   * round-robin for requests, least-load for handshakes. 'round-robin' (smooth, weighted), 'least-load' (fewest
   * requests, handshakes and sessions by weight), 'random-two' (the less loaded of two drawn by weight), 'first' (the
   * first target that is healthy; the others are spares), or { hash } (weighted rendezvous hashing).
   */
  balance?: 'round-robin' | 'least-load' | 'random-two' | 'first' | HashOptions | {
    /**
     * 'round-robin' (smooth, weighted), 'least-load' (fewest requests, handshakes and sessions by weight),
     * 'random-two' (the less loaded of two drawn by weight), 'first' (the first target that is healthy; the others
     * are spares), or { hash } (weighted rendezvous hashing). Default: "round-robin".
     */
    requests?: 'round-robin' | 'least-load' | 'random-two' | 'first' | HashOptions
    /**
     * 'round-robin' (smooth, weighted), 'least-load' (fewest requests, handshakes and sessions by weight),
     * 'random-two' (the less loaded of two drawn by weight), 'first' (the first target that is healthy; the others
     * are spares), or { hash } (weighted rendezvous hashing). Default: "least-load".
     */
    handshakes?: 'round-robin' | 'least-load' | 'random-two' | 'first' | HashOptions
  }
}

/**
 * Rules for messages, without code. A message is valid if it is JSON in a text and keeps to 'schema', 'allow' and
 * 'deny', of which at least one is there; a binary one is not.
 */
export interface MessageRules {
  /**
   * JSON Schema of the messages, of draft-07, or of 2020-12 where its $schema says so. A 'pattern' in it is one that
   * takes linear time (RE2), and a '$ref' leads to its own parts. The schema itself, or the path of its file: in
   * sluice.yaml one of JSON or YAML, relative to the file that names it; from code one of JSON, relative to the
   * working directory.
   */
  schema?: string | JsonSchema
  /**
   * The values of which a message must have one at each of some places. By JSON pointer (RFC 6901): { /type:
   * [subscribe, ping] }. Values are strings, numbers, booleans or null.
   */
  allow?: Record<string, Array<string | number | boolean | null>>
  /**
   * The values of which a message must have none at any of some places. By JSON pointer (RFC 6901): { /type:
   * [subscribe, ping] }. Values are strings, numbers, booleans or null.
   */
  deny?: Record<string, Array<string | number | boolean | null>>
  /**
   * What happens to a message that is not valid: 'close' ends the session with 1008 and a reason that says what is
   * wrong, 'drop' leaves the message out. Default: "close".
   */
  onInvalid?: 'close' | 'drop'
}

/** How much may be sent: token buckets of messages, frames and bytes, for each session or each key. */
export interface MessageRateConfig {
  /** Messages a second that may be sent for long. */
  messages: number
  /** Messages that may be sent at once after a pause. Default: those of a second. */
  burst?: number
  /**
   * Frames a second, control frames and those without payload included, with those of a second (or burst, if that is
   * more) at once after a pause. Default: ten for each message of messages and of burst, but at least 100.
   */
  frames?: number
  /** Bytes a second on the wire, with those of a second at once after a pause. Default: no limit. */
  bytes?: number
  /**
   * What happens when more is sent: 'close' ends the session with 1008, and refuses further ones of its key with 429
   * until it is within the rate; 'delay' reads no further until then. Default: "close".
   */
  action?: 'close' | 'delay'
  /**
   * What is counted together: 'session' for each session alone, 'address' for all sessions of the route from one
   * address (Fastify's request.ip; of an IPv6 address its /64, since a client has all of it), { header } for all with
   * the same value of a header. A client sends what headers it likes, so take one that something in front of the
   * gateway, or a hook, has checked. A session without it counts alone. Default: "session".
   */
  key?: 'session' | 'address' | {
    /** Name of the header. */
    header: string
  }
}

/** How much may be sent: token buckets of messages, frames and bytes, for each session or each key. */
export interface MessageRate extends Omit<MessageRateConfig, 'key'> {
  /**
   * What is counted together: 'session' for each session alone, 'address' for all sessions of the route from one
   * address (Fastify's request.ip; of an IPv6 address its /64, since a client has all of it), { header } for all with
   * the same value of a header. A client sends what headers it likes, so take one that something in front of the
   * gateway, or a hook, has checked. A session without it counts alone. From code, also a function of the request
   * that returns the key. Default: "session".
   */
  key?: 'session' | 'address' | {
    /** Name of the header. */
    header: string
  } | RateKeyFunction
}

/**
 * Rules for the messages of the sessions, each of which is gathered and checked before any of it goes on. Without
 * them bytes are relayed as they come.
 */
export interface MessageConfig {
  /**
   * Rules for messages, without code. A message is valid if it is JSON in a text and keeps to 'schema', 'allow' and
   * 'deny', of which at least one is there; a binary one is not.
   */
  fromClient?: MessageRules
  /**
   * Rules for messages, without code. A message is valid if it is JSON in a text and keeps to 'schema', 'allow' and
   * 'deny', of which at least one is there; a binary one is not.
   */
  fromTarget?: MessageRules
  /**
   * Payload of the longest message, over all its frames, on the wire and decompressed; a longer one ends the session
   * with 1009. A message is in memory until its hooks are done, and so are those that wait behind it, up to this
   * size. Bytes. Default: 1048576.
   */
  maxSize?: number
}

/**
 * Hooks and rules for the messages of the sessions, each of which is gathered and looked at before any of it goes on.
 * Without them bytes are relayed as they come.
 */
export interface MessageOptions extends Omit<MessageConfig, 'fromClient' | 'fromTarget'> {
  /**
   * Looks at each message of the client. It is given the message ({ data, text, binary }) and the session, and
   * returns nothing (the message goes on byte for byte), a string or bytes (they go on in its place), or `drop`; it
   * may be async, and may close the session. In its place, an object has rules. Of several, each sees what the one
   * before has made of it.
   */
  fromClient?: MessageFunction | MessageRules | Array<MessageFunction | MessageRules>
  /**
   * Looks at each message of the target. It is given the message ({ data, text, binary }) and the session, and
   * returns nothing (the message goes on byte for byte), a string or bytes (they go on in its place), or `drop`; it
   * may be async, and may close the session. In its place, an object has rules. Of several, each sees what the one
   * before has made of it.
   */
  fromTarget?: MessageFunction | MessageRules | Array<MessageFunction | MessageRules>
  /**
   * Called when a side has sent a Close frame: with its code (1005 for none), its reason, the session, and 'client'
   * or 'target'. It changes nothing.
   */
  onClose?: CloseFunction
  /**
   * Messages of one side whose hooks may be under way at a time. They begin in order, and what becomes of the
   * messages goes on in order; with 1, each begins when the one before is done. While so many are under way, the side
   * is not read. Default: 16.
   */
  maxPending?: number
  /**
   * How long the hooks of a message may take; then the session ends with 1011, and the message goes nowhere.
   * Milliseconds. Default: 5000.
   */
  timeout?: number
}

/**
 * Keeps the connection of a client whose target is lost, and makes the same handshake again, with another target or
 * the same.
 */
export interface ReconnectConfig {
  /**
   * Handshakes that are tried, each with one target after another, before the session ends as it would have without
   * this. See stableAfter for connections that do not last. Default: 10.
   */
  attempts?: number
  /**
   * How long the first attempt waits, at most (see jitter); each further one waits twice as long as the one before.
   * Milliseconds. Default: 500.
   */
  delay?: number
  /** How long an attempt waits at most. Milliseconds. Default: 10000. */
  maxDelay?: number
  /**
   * How long a connection must last for the attempts, and what they wait, to be counted anew; one that is lost sooner
   * goes on with those that led to it, so that a target which accepts and closes is not asked for ever. Milliseconds.
   * Default: maxDelay.
   */
  stableAfter?: number
  /**
   * Share of the delay that is left to chance, so that sessions which were lost together do not come back together:
   * with 0.5, between half of it and all of it. Default: 0.5.
   */
  jitter?: number
  /**
   * How much of what the client sends is kept while no target is connected; beyond that, the client is not read.
   * Messages up to this size are collected before they are forwarded; a target that is lost in the middle of a longer
   * one ends the session. On a side with message hooks, messages.maxSize applies instead. Bytes. Default: 1048576.
   */
  bufferSize?: number
  /**
   * How long a target may take for its connection, and then for its response. Milliseconds. Default: connectTimeout
   * and handshakeTimeout of the route.
   */
  timeout?: number
  /**
   * Close codes of a target after which another takes its place, beside its loss without one; 'all' for any, and a
   * Close without a code. Default: [1001,1012,1014].
   */
  codes?: 'all' | number[]
}

/**
 * Keeps the connection of a client whose target is lost, and makes the same handshake again, with another target or
 * the same.
 */
export interface ReconnectOptions extends Omit<ReconnectConfig, 'delay'> {
  /**
   * How long the first attempt waits, at most (see jitter); each further one waits twice as long as the one before.
   * Or a function that gives it for the number of an attempt, its session and why that has lost its target; if it
   * throws, or gives something else than a number of at least 0, the session ends. Milliseconds. Default: 500.
   */
  delay?: number | DelayFunction
  /**
   * Called when there is another connection to a target, with the session and the number of the attempt. What it
   * sends with session.send('target', …) comes before what was kept of the client. It may be async, and take up to
   * handshakeTimeout. Where it throws, or takes longer, the connection is given up and the next attempt follows.
   */
  onReconnect?: ReconnectFunction
}

/** Options of WebSocket passthrough. */
export interface WebSocketConfig {
  /**
   * Whose pages may open a WebSocket: '*' anyone's, 'same-origin' those of the request's own host, or a list of
   * origins, in which https://*.example.com stands for every subdomain; else 403. A request without Origin comes from
   * no browser and is let through, unless requireOrigin. Default: "*".
   */
  origins?: '*' | 'same-origin' | string[]
  /** Whether a request without Origin is refused with 403. Default: false. */
  requireOrigin?: boolean
  /**
   * The subprotocols that are let through; the target chooses among those of them that the client offers. A client
   * that offers none of them, but others, gets 400. Default: all.
   */
  protocols?: string[]
  /**
   * 'passthrough' lets client and target negotiate extensions such as permessage-deflate; 'off' removes the client's
   * offer. Default: "passthrough".
   */
  compression?: 'passthrough' | 'off'
  /** How long a connection to a target may take to open; then 502. Milliseconds. Default: the upstream's. */
  connectTimeout?: number
  /**
   * How long a target may take to respond to the handshake once it is connected; then 504. Milliseconds. Default:
   * 60000.
   */
  handshakeTimeout?: number
  /**
   * How long a session may go without a data frame in either direction; then both sides are sent Close with idleCode.
   * Milliseconds. Default: no limit.
   */
  idleTimeout?: number
  /** The close code of a session that ends by idleTimeout. One that may stand on the wire. Default: 1001. */
  idleCode?: number
  /**
   * How long a side may be silent before the gateway pings it; false for never. Its own pongs are not relayed, those
   * of the peers are. Milliseconds. Default: 30000.
   */
  pingInterval?: false | number
  /**
   * How long a side that was pinged may go on without a sign of life, which is any byte that it sends, or that it
   * takes after others have waited for it; then it counts as gone. Milliseconds. Default: 90000.
   */
  pongTimeout?: number
  /**
   * How long a session may last; then both sides are sent Close with lifetimeCode. Milliseconds. Default: no limit.
   */
  maxLifetime?: number
  /** The close code of a session that ends by maxLifetime. One that may stand on the wire. Default: 1001. */
  lifetimeCode?: number
  /**
   * Up to how much maxLifetime is shortened, by chance, so that sessions that began together do not end together.
   * Milliseconds. Default: 0.
   */
  lifetimeJitter?: number
  /**
   * Payload of the longest frame, either way; a longer one ends the session with 1009 before any of it is relayed.
   * Bytes. Default: no limit.
   */
  maxFrameSize?: number
  /**
   * Payload of the longest message over all its frames and as it is on the wire, for both ways or as { fromClient,
   * fromTarget }; a longer one ends the session with 1009. Bytes. Default: no limit.
   */
  maxMessageSize?: number | {
    /** Payload of the longest message of one side. Bytes. Default: no limit. */
    fromClient?: number
    /** Payload of the longest message of one side. Bytes. Default: no limit. */
    fromTarget?: number
  }
  /** Sessions and handshakes of the route at a time; more are refused with 503. Default: no limit. */
  maxSessions?: number
  /**
   * Sessions and handshakes of the route at a time from one address (Fastify's request.ip); more are refused with
   * 429. Default: no limit.
   */
  maxSessionsPerClient?: number
  /**
   * How long a peer may take to respond to a close frame before its socket is destroyed. Milliseconds. Default: 5000.
   */
  closeTimeout?: number
  /**
   * How long a peer may read nothing while the other side waits to be read; then it counts as gone. Milliseconds.
   * Default: 60000.
   */
  stallTimeout?: number
  /**
   * The close code for a side whose peer is lost, client or target; one that may stand on the wire. 1011 is known to
   * all clients. Default: none; its connection ends without a Close, as if it were the peer itself.
   */
  lossCode?: number
  /**
   * What becomes of the sessions of the route when a reload removes it, or their target: 'drain' ends them with Close
   * 1012, spread over drainSpread (30 s where that is not set), 'close' ends them with 1012 at once, 'keep' leaves
   * them until they end by themselves. Default: "drain".
   */
  onRemoved?: 'drain' | 'keep' | 'close'
  /**
   * What becomes of the sessions of the route on a target that is found to be down: 'keep' leaves them until they end
   * by themselves, 'drain' ends them with Close 1012, spread over drainSpread (30 s where that is not set), 'close'
   * ends them with 1012 at once. Default: "keep".
   */
  onUnhealthy?: 'keep' | 'drain' | 'close'
  /**
   * Whether a peer that violates the framing of RFC 6455 is closed with 1002, and one that violates its handshake is
   * refused. Otherwise its frames are relayed as they come, as long as their ends can be found, and its handshake
   * passes as it would through nginx. Default: true.
   */
  strict?: boolean
  /** How much a client may send: token buckets of messages, frames and bytes, for each session or each key. */
  messageRate?: MessageRateConfig
  /** How much a target may send: token buckets as those of messageRate. */
  targetMessageRate?: MessageRateConfig
  /**
   * Rules for the messages of the sessions, each of which is gathered and checked before any of it goes on. Without
   * them bytes are relayed as they come.
   */
  messages?: MessageConfig
  /**
   * Keeps the connection of a client whose target is lost, and makes the same handshake again, with another target or
   * the same.
   */
  reconnect?: ReconnectConfig
  /** The upstream that handshakes go to, if it is not that of the route: a declared name, or the URL of a target. */
  upstream?: string
}

/** Options of WebSocket passthrough. */
export interface WebSocketOptions extends Omit<WebSocketConfig, 'messageRate' | 'targetMessageRate' | 'messages' | 'reconnect' | 'upstream'> {
  /** How much a client may send: token buckets of messages, frames and bytes, for each session or each key. */
  messageRate?: MessageRate
  /** How much a target may send: token buckets as those of messageRate. */
  targetMessageRate?: MessageRate
  /**
   * Hooks and rules for the messages of the sessions, each of which is gathered and looked at before any of it goes
   * on. Without them bytes are relayed as they come.
   */
  messages?: MessageOptions
  /**
   * Keeps the connection of a client whose target is lost, and makes the same handshake again, with another target or
   * the same.
   */
  reconnect?: ReconnectOptions
  /**
   * The upstream that handshakes go to, if it is not that of the route: a declared name, the URL of a target, or
   * (from code) a function of the request.
   */
  upstream?: string | UpstreamFunction
  /**
   * Gives the date at which the session ends with 1008, such as the expiry of the token that opened it; nothing for
   * no such date. It may be async.
   */
  until?: UntilFunction
  /** Called when a session has opened. */
  onSession?: SessionFunction
  /** Called when a side has responded to a Ping of the gateway, with the session and 'client' or 'target'. */
  onPong?: PongFunction
  /** Called when a session has ended and both its sockets are gone. */
  onSessionEnd?: SessionEndFunction
}

/** Headers to set and to remove. */
export interface HeaderTexts {
  /** Headers of the request to the target, by name: a text sets one, null removes it. */
  request?: Record<string, string | null>
  /** Headers of the response to the client, a 101 included, by name: a text sets one, null removes it. */
  response?: Record<string, string | null>
}

/** Headers to set, to remove and to rewrite. */
export interface HeaderRules {
  /**
   * Headers of the request to the target, by name: a text sets one, null removes it. A function is given its value
   * and the request, and gives the new one. A function in the place of the whole is given all headers and the
   * request, and gives all of them anew; what belongs to the connection or to the handshake is the gateway's, and
   * Host stays if it is left out.
   */
  request?: Record<string, string | null | HeaderFunction> | HeadersFunction
  /**
   * Headers of the response to the client, a 101 included, by name: a text sets one, null removes it. A function is
   * given its value and the request, and gives the new one. A function in the place of the whole is given all headers
   * and the request, and gives all of them anew; what belongs to the connection or to the handshake is the gateway's,
   * and Host stays if it is left out.
   */
  response?: Record<string, string | null | HeaderFunction> | HeadersFunction
}

/** A pattern for the path, after stripPrefix. */
export interface RewritePattern {
  /**
   * Regular expression for the path, without the query, in the syntax of JavaScript less lookarounds and back
   * references, so that it takes linear time (RE2). Error for any other: SLUICE_OPTIONS_INVALID. A path on which it
   * could take more than some 50 ms, of 40,000 characters for a usual pattern and of 2,048 for the largest, is
   * refused with 414 SLUICE_PATH_TOO_LONG.
   */
  pattern: string
  /** What takes the place of what it matches; $1 is its first group. */
  replacement: string
}

/** What becomes of Domain and Path in Set-Cookie. */
export interface CookieRules {
  /**
   * true removes a Domain that the client's host does not lie in, which it would refuse. A text takes its place, null
   * removes it. Default: it stays.
   */
  domain?: true | string | null
  /** true puts stripPrefix before it. A text takes its place, null removes it. Default: it stays. */
  path?: true | string | null
}

/** Options of a proxied route. */
export interface ProxyOptions {
  /**
   * The upstream that serves the route: a declared name, the URL of a target, or (from code) a function of the
   * request giving either, or { url, tls }, possibly async.
   */
  upstream: string | UpstreamFunction
  /** Leading part of the path that is removed before the request goes to the target, such as /api. */
  stripPrefix?: string
  /**
   * Host of the request to the target: 'preserve' for the client's, 'target' for that of the target's URL.
   * X-Forwarded-Host is the client's either way. Default: "preserve".
   */
  host?: 'preserve' | 'target'
  /**
   * Whether WebSockets pass: true, or an object of options. Without it an upgrade request is ordinary HTTP. Default:
   * false.
   */
  websocket?: boolean | WebSocketOptions
  /** Changes the path: a pattern, or (from code) a function of path with query and request that gives both anew. */
  rewrite?: RewritePattern | RewriteFunction
  /** Headers to set, to remove and to rewrite. */
  headers?: HeaderRules
  /**
   * Longest body of a request; a longer one is refused with 413, and the request to the target broken off. A limit of
   * the app itself does not hold for a proxied route. Bytes. Default: no limit.
   */
  bodyLimit?: number
  /**
   * Whether Location, Content-Location and Refresh of responses are made to suit the client: a path, or a URL of the
   * target's own, becomes the path with stripPrefix before it. Default: false.
   */
  rewriteLocation?: boolean
  /**
   * Whether Set-Cookie of responses is made to suit the client: true, for { domain: true, path: true }, or an object
   * of rules. Default: false.
   */
  rewriteCookies?: boolean | CookieRules
}

/** Options of `config.passthrough`. */
export interface PassthroughOptions {
  /**
   * The upstream that serves the route: a declared name, the URL of a target, or (from code) a function of the
   * request giving either, or { url, tls }, possibly async.
   */
  upstream: string | UpstreamFunction
  /** Leading part of the path that is removed before the request goes to the target, such as /api. */
  stripPrefix?: string
  /**
   * Host of the request to the target: 'preserve' for the client's, 'target' for that of the target's URL.
   * X-Forwarded-Host is the client's either way. Default: "preserve".
   */
  host?: 'preserve' | 'target'
  /** Changes the path: a pattern, or (from code) a function of path with query and request that gives both anew. */
  rewrite?: RewritePattern | RewriteFunction
  /** Headers to set, to remove and to rewrite. */
  headers?: HeaderRules
  /**
   * Whether Location, Content-Location and Refresh of responses are made to suit the client: a path, or a URL of the
   * target's own, becomes the path with stripPrefix before it. Default: false.
   */
  rewriteLocation?: boolean
  /**
   * Whether Set-Cookie of responses is made to suit the client: true, for { domain: true, path: true }, or an object
   * of rules. Default: false.
   */
  rewriteCookies?: boolean | CookieRules
  /** Options of WebSocket passthrough; true, which it is anyway, for the defaults. */
  websocket?: true | WebSocketOptions
}

/**
 * What a request must have, beside its URL, to be one of the route. A route without constraints takes what is left.
 */
export interface RouteConstraints {
  /**
   * Host of the request, whatever its port and its case: app.example.com, *.example.com for every name that ends in
   * .example.com, or several. A name in full comes before a longer wildcard, and that before a shorter one.
   */
  host?: string | string[]
  /**
   * Headers of the request and their values; all must be there. Where several routes of a host match, the one with
   * the most headers is taken, and of these the first.
   */
  headers?: Record<string, string>
}

/** A proxied route. */
export interface RouteConfig {
  /** URL pattern in the syntax of Fastify, such as /api/* or /users/:id; or several: [/api, /api/*]. */
  url: string | string[]
  /**
   * HTTP method or methods, of those that Node knows, but for CONNECT: GET, PROPFIND, QUERY and so on. Default: all
   * of them. Error for any other: SLUICE_CONFIG_INVALID.
   */
  method?: string | string[]
  /**
   * What a request must have, beside its URL, to be one of the route. A route without constraints takes what is left.
   */
  constraints?: RouteConstraints
  /** The upstream that serves the route: a declared name, or the URL of a target. */
  upstream: string
  /** Leading part of the path that is removed before the request goes to the target, such as /api. */
  stripPrefix?: string
  /**
   * Host of the request to the target: 'preserve' for the client's, 'target' for that of the target's URL.
   * X-Forwarded-Host is the client's either way. Default: "preserve".
   */
  host?: 'preserve' | 'target'
  /**
   * Whether WebSockets pass: true, or an object of options. Without it an upgrade request is ordinary HTTP. Default:
   * false.
   */
  websocket?: boolean | WebSocketConfig
  /** A pattern for the path, after stripPrefix. */
  rewrite?: RewritePattern
  /** Headers to set and to remove. */
  headers?: HeaderTexts
  /**
   * Longest body of a request; a longer one is refused with 413, and the request to the target broken off. A limit of
   * the app itself does not hold for a proxied route. Bytes. Default: no limit.
   */
  bodyLimit?: number
  /**
   * Whether Location, Content-Location and Refresh of responses are made to suit the client: a path, or a URL of the
   * target's own, becomes the path with stripPrefix before it. Default: false.
   */
  rewriteLocation?: boolean
  /**
   * Whether Set-Cookie of responses is made to suit the client: true, for { domain: true, path: true }, or an object
   * of rules. Default: false.
   */
  rewriteCookies?: boolean | CookieRules
}

/** Options of the plugin. */
export interface GatewayOptions {
  /**
   * From code: upgrade requests that belong to another 'upgrade' listener of the server. One that responds at once,
   * as socket.io and ws do, is detected without it.
   */
  ignoreUpgrade?: IgnoreUpgradeFunction
  /**
   * Whether a line is logged for each request and each session on a proxied route: true, false, or an object of
   * options. Default: true where the app is made with disableRequestLogging, as the service is, so that there is one
   * line a request; false otherwise, where Fastify writes two of its own.
   */
  accessLog?: boolean | AccessLogOptions
  /**
   * Names of headers whose values are not logged, in the place of the default list: authorization,
   * proxy-authorization, cookie, set-cookie, x-api-key and others whose names tell of a token, a secret or a key.
   */
  redactHeaders?: string[]
  /**
   * Whether requests, attempts and sessions become spans of OpenTelemetry, and targets get the trace context
   * (traceparent): true, or an object of options. It needs @opentelemetry/api, and an SDK that is registered before
   * the gateway starts. Default: false.
   */
  tracing?: boolean | TracingOptions
  /**
   * Whether targets get the id that a request has in the log (Fastify's request.id) as X-Request-Id, in the place of
   * the client's; without it the client's goes on. The service takes the id from X-Request-Id where trustProxy trusts
   * the peer, and makes one otherwise. Default: true.
   */
  requestId?: boolean
  /**
   * Whether targets get Forwarded (RFC 7239) beside X-Forwarded-*. That of a peer which trustProxy trusts is
   * continued. Default: false.
   */
  forwarded?: boolean
  /**
   * Whether the gateway adds itself to Via, in requests and in responses: true as sluice, or under a name such as
   * edge-1. Loops are not looked for. Default: false.
   */
  via?: boolean | string
  /**
   * How long app.close() may wait for open sessions and for responses under way to end; what is left is destroyed.
   * Milliseconds. Default: 30000.
   */
  drainTimeout?: number
  /**
   * Over how long app.close() spreads the ends of the sessions, so that their clients do not come back all at once.
   * Milliseconds. Default: 0.
   */
  drainSpread?: number
  /**
   * The close code of sessions that app.close() ends, one that may stand on the wire: 1012 says that the service
   * restarts. False ends them without a Close, for clients that only come back after an unclean end. Default: 1012.
   */
  drainCode?: false | number
}

/** The least level that is logged. Default: "info". */
export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'

/** Serves https and wss instead of http and ws. */
export interface ListenTlsOptions {
  /** Certificate of the gateway, with those of its authorities behind it: PEM text, or the path of a file of it. */
  cert: string | string[]
  /** Private key of that certificate: PEM text, or the path of a file of it. */
  key: string | string[]
  /**
   * How long a client may take for its TLS handshake; then the connection is closed. Milliseconds. Default: 10000.
   */
  handshakeTimeout?: number
}

/** Where the gateway listens, and the limits for its clients. */
export interface ListenOptions {
  /** Address to listen on. Default: "127.0.0.1". */
  host?: string
  /** Port to listen on; 0 takes a free one. Default: 8080. */
  port?: number
  /** Path of a Unix socket to listen on, in the place of host and port. */
  socketPath?: string
  /**
   * Permissions of that socket, such as '660' for the user of the process and its group: whoever may write can
   * connect. Default: those that the umask of the process leaves.
   */
  socketMode?: string
  /** Serves https and wss instead of http and ws. */
  tls?: ListenTlsOptions
  /**
   * Sends every request on this listener to https, with 308: true for the port of the first listener with tls, or the
   * port that clients see. Default: false.
   */
  redirectToHttps?: boolean | number
  /**
   * How long a client may take to send the head of a request, from the connection or from the first byte of a later
   * request; then 408. Milliseconds. Default: 10000.
   */
  headersTimeout?: number
  /**
   * How long a client may take to send the body of a request, beside the time that minBodyRate grants; then 408. The
   * time in which the gateway does not read does not count. False for no limit. Milliseconds. Default: 30000.
   */
  requestTimeout?: false | number
  /**
   * For every so many bytes of a body that have come, its requestTimeout is a second longer, so that a long upload is
   * not cut. Bytes. Default: 500.
   */
  minBodyRate?: number
  /** How long a connection may be idle after a response; then it is closed. Milliseconds. Default: 72000. */
  keepAliveTimeout?: number
  /** Size of the head of a request, with its first line; a larger one is refused with 431. Bytes. Default: 16384. */
  maxHeaderSize?: number
  /** Header fields of a request; one that has more is refused with 431. Default: 100. */
  maxHeaders?: number
  /** Connections at a time, WebSockets included; further ones are closed at once. Default: no limit. */
  maxConnections?: number
}

/** The admin listener: health, metrics, API and status page. */
export interface AdminOptions {
  /** Address to listen on. One that is not loopback needs a token. Default: "127.0.0.1". */
  host?: string
  /** Port to listen on; 0 takes a free one. Default: 9901. */
  port?: number
  /** Path of a Unix socket to listen on, in the place of host and port; only the user of the process may connect. */
  socketPath?: string
  /**
   * What a request must show, as Authorization: Bearer TOKEN, or as the password of Basic, which browsers ask for.
   * /healthz and /readyz need none. Default: the environment variable ADMIN_TOKEN of the service, or none.
   */
  token?: string
}

/** Options of the access log. */
export interface AccessLogOptions {
  /**
   * Share of the requests that went well which get a line, such as 0.01. Requests that failed, responses with a
   * status of 5xx and sessions always have theirs. Default: 1.
   */
  sample?: number
  /**
   * Names of request headers that are logged, such as user-agent. Secrets are redacted, see redactHeaders. Default:
   * [].
   */
  requestHeaders?: string[]
  /** Names of response headers that are logged, such as content-type. Default: []. */
  responseHeaders?: string[]
}

/** Options of tracing. */
export interface TracingOptions {
  /**
   * Whether a request continues the trace that its client names in traceparent. Otherwise each begins a trace of its
   * own, with a link to the client's: for a gateway that anybody can reach. Default: true.
   */
  trustParent?: boolean
}

/** The configuration of the service. */
export interface GatewayConfig {
  /**
   * Where the gateway listens: one listener, or several. Of several, the first one has the limits for clients, which
   * hold for all.
   */
  listen?: ListenOptions | ListenOptions[]
  /**
   * How many worker processes the command runs, beside the one that supervises them: 'auto' for one for each
   * processor. They share the listener; limits and health checks are each worker's own. Default: none, a single
   * process.
   */
  workers?: number | 'auto'
  /** The least level that is logged. Default: "info". */
  logLevel?: LogLevel
  /**
   * Path of a file to which the log is appended; SIGUSR2 opens it anew, after it was renamed. It is opened at the
   * start: a reload does not change it. Default: the standard output.
   */
  logFile?: string
  /**
   * How lines are written: 'json' for programs, 'text' for people. As logFile, it is read at the start. Default: text
   * on a terminal, json otherwise.
   */
  logFormat?: 'json' | 'text'
  /**
   * Names of query parameters whose values are not logged; one also stands for names that end in it behind -, _ or a
   * dot. In the place of the default list: token, access_token, code, key, password, secret, session, signature and
   * the like.
   */
  redactQuery?: string[]
  /**
   * Whether there is an admin listener, with /healthz, /readyz, /metrics, an API and a status page: true for one at
   * 127.0.0.1:9901. Default: false.
   */
  admin?: boolean | AdminOptions
  /**
   * How long the service goes on as before when it is asked to stop, with /readyz at 503, so that balancers in front
   * of it send no more before it refuses anything. Milliseconds. Default: 0.
   */
  drainDelay?: number
  /**
   * How long app.close() may wait for open sessions and for responses under way to end; what is left is destroyed.
   * Milliseconds. Default: 30000.
   */
  drainTimeout?: number
  /**
   * Over how long app.close() spreads the ends of the sessions, so that their clients do not come back all at once.
   * Milliseconds. Default: 0.
   */
  drainSpread?: number
  /**
   * The close code of sessions that app.close() ends, one that may stand on the wire: 1012 says that the service
   * restarts. False ends them without a Close, for clients that only come back after an unclean end. Default: 1012.
   */
  drainCode?: false | number
  /**
   * Whether a line is logged for each request and each session on a proxied route: true, false, or an object of
   * options. Default: true where the app is made with disableRequestLogging, as the service is, so that there is one
   * line a request; false otherwise, where Fastify writes two of its own.
   */
  accessLog?: boolean | AccessLogOptions
  /**
   * Names of headers whose values are not logged, in the place of the default list: authorization,
   * proxy-authorization, cookie, set-cookie, x-api-key and others whose names tell of a token, a secret or a key.
   */
  redactHeaders?: string[]
  /**
   * Whether requests, attempts and sessions become spans of OpenTelemetry, and targets get the trace context
   * (traceparent): true, or an object of options. It needs @opentelemetry/api, and an SDK that is registered before
   * the gateway starts. Default: false.
   */
  tracing?: boolean | TracingOptions
  /**
   * Which proxies in front of the gateway are believed what X-Forwarded-* says: true for any, or addresses and
   * networks such as 10.0.0.0/8. Default: false.
   */
  trustProxy?: boolean | string | string[]
  /**
   * Whether targets get the id that a request has in the log (Fastify's request.id) as X-Request-Id, in the place of
   * the client's; without it the client's goes on. The service takes the id from X-Request-Id where trustProxy trusts
   * the peer, and makes one otherwise. Default: true.
   */
  requestId?: boolean
  /**
   * Whether targets get Forwarded (RFC 7239) beside X-Forwarded-*. That of a peer which trustProxy trusts is
   * continued. Default: false.
   */
  forwarded?: boolean
  /**
   * Whether the gateway adds itself to Via, in requests and in responses: true as sluice, or under a name such as
   * edge-1. Loops are not looked for. Default: false.
   */
  via?: boolean | string
  /** The upstreams by name. */
  upstreams?: Record<string, UpstreamConfig>
  /** The proxied routes. */
  routes?: RouteConfig[]
}
