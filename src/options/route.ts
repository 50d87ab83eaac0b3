import { Type } from '@sinclair/typebox'
import type { HeaderFunction, HeadersFunction, RewriteFunction, UpstreamFunction } from './functions.js'
import { bytes, closed, text, TOKEN, TOKEN_CHARACTERS } from './units.js'
import { WebSocketConfig, WebSocketOptions } from './websocket.js'
import type * as types from './types.js'

const headerFunction = Type.Unsafe<HeaderFunction>(Type.Function([Type.Any(), Type.Any()], Type.Any(), { typeName: 'HeaderFunction' }))
const headersFunction = Type.Unsafe<HeadersFunction>(Type.Function([Type.Any(), Type.Any()], Type.Any(), { typeName: 'HeadersFunction' }))
const headerText = Type.Union([Type.String(), Type.Null()])
const headerName = Type.String()
const headerDescriptions = {
  request: 'Headers of the request to the target, by name: a text sets one, null removes it.',
  response: 'Headers of the response to the client, a 101 included, by name: a text sets one, null removes it.'
}
export const HeaderTexts = Type.Object({
  request: Type.Optional(Type.Record(headerName, headerText, { description: headerDescriptions.request })),
  response: Type.Optional(Type.Record(headerName, headerText, { description: headerDescriptions.response }))
}, { ...closed, description: 'Headers to set and to remove.' })
export type HeaderTexts = types.HeaderTexts
const headerRules = (description: string) => Type.Union([Type.Record(headerName, Type.Union([headerText, headerFunction])), headersFunction], {
  description: `${description} A function is given its value and the request, and gives the new one. A function in the place of the whole is given all headers and the request, and gives all of them anew; what belongs to the connection or to the handshake is the gateway's, and Host stays if it is left out.`
})
export const HeaderRules = Type.Object({
  request: Type.Optional(headerRules(headerDescriptions.request)),
  response: Type.Optional(headerRules(headerDescriptions.response))
}, { ...closed, description: 'Headers to set, to remove and to rewrite.' })
export type HeaderRules = types.HeaderRules

export const RewritePattern = Type.Object({
  pattern: Type.String({ minLength: 1, description: 'Regular expression for the path, without the query, in the syntax of JavaScript less lookarounds and back references, so that it takes linear time (RE2). Error for any other: SLUICE_OPTIONS_INVALID. A path on which it could take more than some 50 ms, of 40,000 characters for a usual pattern and of 2,048 for the largest, is refused with 414 SLUICE_PATH_TOO_LONG.' }),
  replacement: Type.String({ description: 'What takes the place of what it matches; $1 is its first group.' })
}, { ...closed, description: 'A pattern for the path, after stripPrefix.' })
export type RewritePattern = types.RewritePattern

const cookieRule = (pattern: string, message: string, description: string) => Type.Optional(Type.Union([
  Type.Literal(true), text(pattern, message), Type.Null()
], { description: `${description} A text takes its place, null removes it. Default: it stays.` }))
export const CookieRules = Type.Object({
  domain: cookieRule('^[A-Za-z0-9.-]+$', 'must be the name of a host: letters, digits, dots and hyphens', "true removes a Domain that the client's host does not lie in, which it would refuse."),
  path: cookieRule('^/[!-:<-~]*$', 'must begin with / and have no spaces and no semicolon', 'true puts stripPrefix before it.')
}, { ...closed, description: 'What becomes of Domain and Path in Set-Cookie.' })
export type CookieRules = types.CookieRules

const responseRewriting = {
  rewriteLocation: Type.Optional(Type.Boolean({
    default: false,
    description: "Whether Location, Content-Location and Refresh of responses are made to suit the client: a path, or a URL of the target's own, becomes the path with stripPrefix before it."
  })),
  rewriteCookies: Type.Optional(Type.Union([Type.Boolean(), CookieRules], {
    default: false,
    description: 'Whether Set-Cookie of responses is made to suit the client: true, for { domain: true, path: true }, or an object of rules.'
  }))
}

const upstreamName = Type.String({
  minLength: 1,
  description: 'The upstream that serves the route: a declared name, or the URL of a target.'
})

const stripPrefix = Type.Optional(text('^/', 'must begin with /', {
  description: 'Leading part of the path that is removed before the request goes to the target, such as /api.'
}))
const host = Type.Optional(Type.Union([Type.Literal('preserve'), Type.Literal('target')], {
  default: 'preserve',
  description: "Host of the request to the target: 'preserve' for the client's, 'target' for that of the target's URL. X-Forwarded-Host is the client's either way."
}))
const websocketDescription = {
  default: false,
  description: 'Whether WebSockets pass: true, or an object of options. Without it an upgrade request is ordinary HTTP.'
}

const bodyLimit = Type.Optional(bytes('Longest body of a request; a longer one is refused with 413, and the request to the target broken off. A limit of the app itself does not hold for a proxied route.'))

/** The gateway's own options of `app.proxy(url, options)`; Fastify's route options stand beside them. */
export const ProxyOptions = Type.Object({
  upstream: Type.Union([upstreamName, Type.Unsafe<UpstreamFunction>(Type.Function([Type.Any()], Type.Any(), { typeName: 'UpstreamFunction' }))], {
    description: 'The upstream that serves the route: a declared name, the URL of a target, or (from code) a function of the request giving either, or { url, tls }, possibly async.'
  }),
  stripPrefix,
  host,
  websocket: Type.Optional(Type.Union([Type.Boolean(), WebSocketOptions], websocketDescription)),
  rewrite: Type.Optional(Type.Union([RewritePattern, Type.Unsafe<RewriteFunction>(Type.Function([Type.Any(), Type.Any()], Type.Any(), { typeName: 'RewriteFunction' }))], {
    description: 'Changes the path: a pattern, or (from code) a function of path with query and request that gives both anew.'
  })),
  headers: Type.Optional(HeaderRules),
  bodyLimit,
  ...responseRewriting
}, { ...closed, description: 'Options of a proxied route.' })
export type ProxyOptions = types.ProxyOptions

/** `config.passthrough` of a route of @fastify/http-proxy: its upgrades go through the gateway. */
export const PassthroughOptions = Type.Object({
  upstream: ProxyOptions.properties.upstream,
  stripPrefix: ProxyOptions.properties.stripPrefix,
  host: ProxyOptions.properties.host,
  rewrite: ProxyOptions.properties.rewrite,
  headers: ProxyOptions.properties.headers,
  ...responseRewriting,
  websocket: Type.Optional(Type.Union([Type.Literal(true), WebSocketOptions], { description: 'Options of WebSocket passthrough; true, which it is anyway, for the defaults.' }))
}, { ...closed, description: 'Options of `config.passthrough`.' })
export type PassthroughOptions = types.PassthroughOptions

const urlPattern = text('^(/|\\*$)', 'must begin with /, or be *', { description: 'URL pattern in the syntax of Fastify: /api/*, /users/:id.' })

const hostPattern = text('^(\\*\\.)?[^*\\s/?#@:]+$|^\\[[0-9A-Fa-f:.]+\\]$', 'must be a host without scheme, port and path, with * for nothing but its first label', {
  description: 'A host without its port: app.example.com, or *.example.com for every name that ends in .example.com.'
})

/** What a request must have, beside its URL, to be one of a route. */
export const RouteConstraints = Type.Object({
  host: Type.Optional(Type.Union([hostPattern, Type.Array(hostPattern, { minItems: 1 })], {
    description: 'Host of the request, whatever its port and its case: app.example.com, *.example.com for every name that ends in .example.com, or several. A name in full comes before a longer wildcard, and that before a shorter one.'
  })),
  headers: Type.Optional(Type.Record(Type.String({ pattern: TOKEN }), Type.String(), {
    ...closed,
    patternErrorMessage: `is not a valid name of a header: it must consist of ${TOKEN_CHARACTERS}`,
    description: 'Headers of the request and their values; all must be there. Where several routes of a host match, the one with the most headers is taken, and of these the first.'
  }))
}, { ...closed, description: 'What a request must have, beside its URL, to be one of the route. A route without constraints takes what is left.' })
export type RouteConstraints = types.RouteConstraints

/** A route in sluice.yaml. */
export const RouteConfig = Type.Object({
  url: Type.Union([urlPattern, Type.Array(urlPattern, { minItems: 1 })], {
    description: 'URL pattern in the syntax of Fastify, such as /api/* or /users/:id; or several: [/api, /api/*].'
  }),
  method: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1 })], {
    description: 'HTTP method or methods, of those that Node knows, but for CONNECT: GET, PROPFIND, QUERY and so on. Default: all of them. Error for any other: SLUICE_CONFIG_INVALID.'
  })),
  constraints: Type.Optional(RouteConstraints),
  upstream: upstreamName,
  stripPrefix,
  host,
  websocket: Type.Optional(Type.Union([Type.Boolean(), WebSocketConfig], websocketDescription)),
  rewrite: Type.Optional(RewritePattern),
  headers: Type.Optional(HeaderTexts),
  bodyLimit,
  ...responseRewriting
}, { ...closed, description: 'A proxied route.' })
export type RouteConfig = types.RouteConfig
