import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { KindGuard, type TObject, type TSchema } from '@sinclair/typebox'
import * as errors from '../src/errors.js'
import * as options from '../src/options/index.js'
import { DASHBOARD_FILE, grafanaDashboard } from './grafana-dashboard.js'
import { configSchema, optionTypes } from './option-types.js'

/**
 * Writes what is made from the code: docs/options.md, the types of the options and sluice.schema.json from the schemas
 * of src/options/, the tables of docs/errors.md from the classes of src/errors.ts, and the dashboard for Grafana. `npm run
 * docs` runs it.
 */

// ---- Options

interface Section {
  name: string
  /** What the anchors of its options begin with: where they stand in sluice.yaml, or a word for those of code. */
  anchor: string
  schema: TSchema
  /** Where the options are given. */
  use: string
}

const SECTIONS: Section[] = [
  { name: 'GatewayConfig', anchor: '', schema: options.GatewayConfig, use: 'The content of `sluice.yaml`, and the first argument of `createGateway(config)`.' },
  { name: 'AdminOptions', anchor: 'admin', schema: options.AdminOptions, use: 'The object form of `admin` in `sluice.yaml`, and the second argument of `app.register(admin, options)`.' },
  { name: 'AccessLogOptions', anchor: 'accesslog', schema: options.AccessLogOptions, use: 'The object form of `accessLog`.' },
  { name: 'TracingOptions', anchor: 'tracing', schema: options.TracingOptions, use: 'The object form of `tracing`.' },
  { name: 'RouteConfig', anchor: 'routes', schema: options.RouteConfig, use: 'An item of `routes` in `sluice.yaml`.' },
  { name: 'UpstreamOptions', anchor: 'upstreams', schema: options.UpstreamOptions, use: 'A value of `upstreams` in `sluice.yaml`, and the second argument of `app.upstream(name, options)`.' },
  { name: 'StickyOptions', anchor: 'upstreams-sticky', schema: options.StickyOptions, use: 'The object form of `sticky`.' },
  { name: 'PassiveHealthOptions', anchor: 'upstreams-passivehealth', schema: options.PassiveHealthOptions, use: 'The object form of `passiveHealth`.' },
  { name: 'HealthOptions', anchor: 'upstreams-health', schema: options.HealthOptions, use: 'The value of `health`.' },
  { name: 'TargetOptions', anchor: 'upstreams-targets', schema: options.TargetOptions, use: 'An item of `targets`.' },
  { name: 'WebSocketOptions', anchor: 'websocket', schema: options.WebSocketOptions, use: 'The object form of `websocket`.' },
  { name: 'MessageOptions', anchor: 'websocket-messages', schema: options.MessageOptions, use: 'The value of `websocket.messages`. In `sluice.yaml`, there are rules in the place of functions.' },
  { name: 'MessageRules', anchor: 'websocket-messages-fromclient', schema: options.MessageRules, use: 'The value of `fromClient` and `fromTarget` under `messages` in `sluice.yaml`, and from code in the place of a function.' },
  { name: 'ReconnectOptions', anchor: 'websocket-reconnect', schema: options.ReconnectOptions, use: 'The value of `websocket.reconnect`.' },
  { name: 'ProxyOptions', anchor: 'proxy', schema: options.ProxyOptions, use: 'The second argument of `app.proxy(url, options)`. Fastify\'s route options stand beside them.' },
  { name: 'PassthroughOptions', anchor: 'passthrough', schema: options.PassthroughOptions, use: 'The value of `config.passthrough` on a route of @fastify/http-proxy.' },
  { name: 'GatewayOptions', anchor: 'gateway', schema: options.GatewayOptions, use: 'The second argument of `app.register(sluice, options)`.' }
]

/** The text of docs/options.md. */
export function optionsReference (): string {
  const parts = SECTIONS.map(section => `## ${section.name}\n\n${section.use}\n\n${optionTable(section)}\n`)
  return `# Options

<!-- Made from src/options/ by scripts/options-reference.ts. Do not edit: run 'npm run docs'. -->

Every option, by the schema that checks it. An option that no schema knows is an error; where one of a similar name exists, the error suggests it. \`app.proxy()\` refuses only names that differ from its own in case or a plural s alone, as other plugins add options to routes, too. Times are in milliseconds. Each option has an anchor for links: \`#routes-websocket-idletimeout\` is \`websocket.idleTimeout\` of \`routes\`.

${parts.join('\n')}`
}

interface Row {
  name: string
  type: string
  standard: string
  description: string
}

function optionTable ({ schema, anchor }: Section): string {
  const rows = rowsOf(schema)
  return table(['Option', 'Type', 'Default', 'Description'], rows.map(row => [`<a id="${anchorOf(anchor, row.name)}"></a>${code(row.name)}`, row.type, row.standard, row.description]))
}

/** An anchor that stays: routes-websocket-idletimeout for `websocket.idleTimeout` of `routes`. */
function anchorOf (section: string, option: string): string {
  return `${section}.${option}`.toLowerCase().replace(/^\./, '').replaceAll('.', '-')
}

function rowsOf (schema: TSchema): Row[] {
  // A target is a string or an object. The string needs no table.
  const object = KindGuard.IsUnion(schema) ? schema.anyOf.find(branch => KindGuard.IsObject(branch)) : schema
  if (object === undefined || !KindGuard.IsObject(object)) throw new TypeError('a section needs an object to describe')
  return propertyRows(object, '')
}

function propertyRows ({ properties, required = [] }: TObject, prefix: string): Row[] {
  return Object.entries(properties).flatMap(([name, schema]) => {
    const row: Row = {
      name: prefix + name,
      type: typeText(schema),
      standard: required.includes(name) ? 'required' : 'default' in schema ? code(JSON.stringify(schema.default)) : '–',
      description: schema.description ?? ''
    }
    const nested = (KindGuard.IsUnion(schema) ? schema.anyOf : [schema])
      .filter(branch => KindGuard.IsObject(branch))
      .filter(branch => sectionOf(branch) === undefined)
    return [row, ...nested.flatMap(object => propertyRows(object, `${prefix}${name}.`))]
  })
}

function typeText (schema: TSchema): string {
  const section = sectionOf(schema)
  if (section !== undefined) return `[${section.name}](#${section.name.toLowerCase()})`
  if (KindGuard.IsUnion(schema)) {
    if (schema.anyOf.every(branch => KindGuard.IsLiteral(branch))) return schema.anyOf.map(branch => code(String(branch.const))).join(', ')
    return schema.anyOf.map(typeText).join(' or ')
  }
  if (KindGuard.IsArray(schema)) return `array of ${typeText(schema.items)}`
  if (KindGuard.IsRecord(schema)) return `object of ${typeText(Object.values(schema.patternProperties)[0]!)}`
  if (KindGuard.IsInteger(schema)) return `integer${range(schema.minimum, schema.maximum)}`
  const type = String(schema.type).toLowerCase()
  return schema.pattern === undefined ? type : `${type} matching ${code(String(schema.pattern))}`
}

function range (minimum: number | undefined, maximum: number | undefined): string {
  if (minimum === undefined) return ''
  return maximum === undefined ? `, at least ${minimum}` : `, ${minimum} to ${maximum}`
}

/** The section of a schema, also where the schema has been wrapped by Type.Optional, which copies it. */
function sectionOf (schema: TSchema): Section | undefined {
  return SECTIONS.find(section => section.schema === schema || sameText(section.schema, schema))
}

function sameText (one: TSchema, other: TSchema): boolean {
  return one.description !== undefined && JSON.stringify(one) === JSON.stringify(other)
}

// ---- Errors

interface ErrorEntry {
  /** What stands for the parts of the message that differ from error to error. */
  placeholders: string[]
  fix: string
}

/** What the message cannot say: the fix of each error, by the name of its class. The order is that of the tables. */
const CONFIGURATION_ERRORS: Record<string, ErrorEntry> = {
  UpstreamDuplicateError: { placeholders: ['NAME'], fix: 'Declare each name once.' },
  UpstreamUnknownError: { placeholders: ['URL', 'NAME', 'NAME'], fix: 'Declare the upstream before the app is ready, or correct the name.' },
  TargetMalformedError: { placeholders: ['TARGET', 'REASON'], fix: 'Write scheme, host, port and perhaps a path, or `unix:` and an absolute path; the message says what is in the way.' },
  OptionsInvalidError: { placeholders: ['PLACE', 'PROBLEMS'], fix: 'Correct the options that the message names; see [options](options.md).' },
  RouteInvalidError: { placeholders: ['URL', 'PROBLEM'], fix: 'Correct the contradiction that the message names.' },
  ConfigInvalidError: { placeholders: ['PLACE: PROBLEM'], fix: 'Correct the place that the message names; it has one line for each problem.' },
  UsageError: { placeholders: ['PROBLEM'], fix: 'See `sluice --help`.' }
}

const CLIENT_ERRORS: Record<string, ErrorEntry> = {
  HandshakeInvalidError: { placeholders: ['REASON'], fix: 'Correct the client: its request is no handshake of RFC 6455.' },
  HandshakeVersionError: { placeholders: [], fix: 'Use a client of RFC 6455. The response carries `Sec-WebSocket-Version: 13`.' },
  OriginForbiddenError: { placeholders: [], fix: 'Add the origin of the page to the `origins` of the route, if it may.' },
  SessionExpiredError: { placeholders: [], fix: 'Authenticate anew.' },
  ClientFullError: { placeholders: [], fix: 'Close a WebSocket first, or raise `maxSessionsPerClient`.' },
  RouteFullError: { placeholders: [], fix: 'Try again later, or raise `maxSessions`.' },
  RateExceededError: { placeholders: [], fix: 'Wait until what was sent is within `messageRate` or `targetMessageRate` again; or raise it, or set its `action` to `delay`.' },
  RateKeyError: { placeholders: [], fix: 'Look into the log for the cause, which names the option; correct its function.' },
  PathInvalidError: { placeholders: ['REASON'], fix: 'Send a path without `.` and `..` segments, also not escaped or behind backslashes.' },
  PathTooLongError: { placeholders: [], fix: "Shorten the path, or write the pattern in the route's `rewrite` with smaller counted repetitions; the cause in the log names the limit." },
  RequestInvalidError: { placeholders: ['REASON'], fix: 'Correct the client.' },
  HttpVersionError: { placeholders: [], fix: 'Ask over HTTP/1.1: an app with `http2: true` needs `allowHTTP1: true` for its proxied routes.' },
  TargetUnreachableError: { placeholders: [], fix: 'Look into the log for the cause; check that the target listens.' },
  TargetResponseInvalidError: { placeholders: [], fix: 'Look into the log for the cause; check that the target speaks HTTP/1.1, and RFC 6455 for WebSockets.' },
  TargetHeadersTooLargeError: { placeholders: [], fix: 'Have the target send fewer or smaller headers, or raise `maxHeaderSize` of the upstream.' },
  TargetBusyError: { placeholders: [], fix: 'Try again later (`Retry-After` says when), or raise `maxConnections`, `maxRequests`, `maxSessions`, `maxQueue` or `queueTimeout` of the upstream.' },
  UpstreamSelectionError: { placeholders: [], fix: 'Look into the log for the cause; correct the route\'s `upstream` function.' },
  RewriteInvalidError: { placeholders: [], fix: 'Look into the log for the cause; correct the function in the route\'s `headers`.' },
  BodyConsumedError: { placeholders: [], fix: 'Look into the log for the cause; let the hook replace the body in preParsing instead of reading it.' },
  TargetTimeoutError: { placeholders: [], fix: 'Find out why the target is slow, or raise `headersTimeout`, `bodyTimeout` or `handshakeTimeout`.' },
  AttemptTimeoutError: { placeholders: [], fix: 'Find out why the targets are slow, or raise `attemptTimeout` of the upstream.' },
  RequestTimeoutError: { placeholders: [], fix: 'Send the request at once and without pauses, or raise `headersTimeout`, `requestTimeout` or lower `minBodyRate` under `listen`.' },
  HeadersTooLargeError: { placeholders: ['REASON'], fix: 'Send fewer headers, or smaller ones (often it is cookies); or raise `maxHeaders` or `maxHeaderSize` under `listen`.' },
  BodyTooLargeError: { placeholders: [], fix: 'Send a smaller body, or raise the `bodyLimit` of the route.' },
  BodyTimeoutError: { placeholders: [], fix: 'Send the body without pauses, or raise `bodyTimeout`.' },
  DrainingError: { placeholders: [], fix: 'Connect again; another instance or the restarted gateway will answer. `Retry-After` says when.' },
  ExpectationFailedError: { placeholders: [], fix: 'Correct the client.' },
  ClientLeftError: { placeholders: [], fix: 'Nothing is sent: this stands in the log, and in the outcome of the exchange.' },
  BodyFailedError: { placeholders: [], fix: 'Look into the log for the cause; it is the error of the stream that a hook has put in the place of the body.' },
  AdminForbiddenError: { placeholders: ['REASON'], fix: 'Open the admin listener by its address or as localhost, from no page of another origin; or set `admin.token`.' },
  AdminUnauthorizedError: { placeholders: [], fix: 'Send `Authorization: Bearer TOKEN` with `admin.token`; a browser asks for it as a password.' },
  AdminInvalidError: { placeholders: ['PROBLEM'], fix: 'Correct what the message names.' },
  AdminNotFoundError: { placeholders: ['NAME'], fix: 'Get the list first; a session may have ended.' },
  DemoForbiddenError: { placeholders: ['REASON'], fix: 'Open the demo by its address or as localhost; no page of another origin can use it.' },
  NoTargetError: { placeholders: [], fix: 'Set a target of the upstream to `ready` again, or add one.' }
}

/** The tables of docs/errors.md. */
export function errorTables (): { configuration: string, clients: string } {
  const undescribed = Object.keys(errors).filter(name => name.endsWith('Error') && !(name in CONFIGURATION_ERRORS) && !(name in CLIENT_ERRORS))
  if (undescribed.length > 0) throw new Error(`scripts/options-reference.ts has no fix for ${undescribed.join(', ')}: add it to CONFIGURATION_ERRORS or CLIENT_ERRORS`)
  return { configuration: errorTable(CONFIGURATION_ERRORS), clients: errorTable(CLIENT_ERRORS) }
}

function errorTable (entries: Record<string, ErrorEntry>): string {
  return table(['Code', 'Status', 'Message', 'What to do'], Object.entries(entries).map(([name, { placeholders, fix }]) => {
    const ErrorClass = errors[name as keyof typeof errors] as new (...values: string[]) => Error & { code: string, statusCode: number }
    const error = new ErrorClass(...placeholders)
    return [code(error.code), String(error.statusCode), error.message, fix]
  }))
}

/** Puts the tables into the text of docs/errors.md, in the place of those that are there. */
export function withErrorTables (text: string): string {
  for (const [name, content] of Object.entries(errorTables())) {
    const begin = `<!-- generated: ${name} -->\n`
    const end = '<!-- end of generated -->'
    const from = text.indexOf(begin)
    const to = text.indexOf(end, from)
    if (from === -1 || to === -1) throw new Error(`docs/errors.md has no place for the table '${name}': add '${begin.trim()}' and '${end}'`)
    text = `${text.slice(0, from + begin.length)}\n${content}\n\n${text.slice(to)}`
  }
  return text
}

// ---- Markdown

function table (head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function code (text: string): string {
  return `\`${text}\``
}

// ---- The program

export const OPTIONS_PAGE = fileURLToPath(new URL('../docs/options.md', import.meta.url))
export const TYPES_FILE = fileURLToPath(new URL('../src/options/types.ts', import.meta.url))
export const SCHEMA_FILE = fileURLToPath(new URL('../sluice.schema.json', import.meta.url))
export const ERRORS_PAGE = fileURLToPath(new URL('../docs/errors.md', import.meta.url))

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(TYPES_FILE, optionTypes())
  await writeFile(SCHEMA_FILE, configSchema())
  await writeFile(OPTIONS_PAGE, optionsReference())
  await writeFile(DASHBOARD_FILE, grafanaDashboard())
  await writeFile(ERRORS_PAGE, withErrorTables(await readFile(ERRORS_PAGE, 'utf8')))
}
