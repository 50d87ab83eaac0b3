import { KindGuard, type TObject, type TSchema } from '@sinclair/typebox'
import * as options from '../src/options/index.js'
import { fileSchema } from './file-schema.js'

/** The schemas whose types have names, in the order of src/options/types.ts. What each is stands in its description. */
const NAMED: Record<string, TSchema> = {
  TargetOptions: options.TargetOptions,
  UpstreamTlsOptions: options.UpstreamTlsOptions,
  DnsOptions: options.DnsOptions,
  HttpTargetsOptions: options.HttpTargetsOptions,
  KubernetesOptions: options.KubernetesOptions,
  DiscoveryOptions: options.DiscoveryOptions,
  HashConfig: options.HashConfig,
  HashOptions: options.HashOptions,
  StickyOptions: options.StickyOptions,
  PassiveHealthOptions: options.PassiveHealthOptions,
  HealthOptions: options.HealthOptions,
  UpstreamConfig: options.UpstreamConfig,
  UpstreamOptions: options.UpstreamOptions,
  MessageRules: options.MessageRules,
  MessageRateConfig: options.MessageRateConfig,
  MessageRate: options.MessageRate,
  MessageConfig: options.MessageConfig,
  MessageOptions: options.MessageOptions,
  ReconnectConfig: options.ReconnectConfig,
  ReconnectOptions: options.ReconnectOptions,
  WebSocketConfig: options.WebSocketConfig,
  WebSocketOptions: options.WebSocketOptions,
  HeaderTexts: options.HeaderTexts,
  HeaderRules: options.HeaderRules,
  RewritePattern: options.RewritePattern,
  CookieRules: options.CookieRules,
  ProxyOptions: options.ProxyOptions,
  PassthroughOptions: options.PassthroughOptions,
  RouteConstraints: options.RouteConstraints,
  RouteConfig: options.RouteConfig,
  GatewayOptions: options.GatewayOptions,
  LogLevel: options.LogLevel,
  ListenTlsOptions: options.ListenTlsOptions,
  ListenOptions: options.ListenOptions,
  AdminOptions: options.AdminOptions,
  AccessLogOptions: options.AccessLogOptions,
  TracingOptions: options.TracingOptions,
  GatewayConfig: options.GatewayConfig
}

/** Options that take more from code than from a file, and the same ones of a file. */
const OF_CODE: Record<string, string> = { HashOptions: 'HashConfig', MessageRate: 'MessageRateConfig', UpstreamOptions: 'UpstreamConfig', MessageOptions: 'MessageConfig', ReconnectOptions: 'ReconnectConfig', WebSocketOptions: 'WebSocketConfig' }

const WIDTH = 118

/** The text of src/options/types.ts: the types of the schemas, with what an editor shows of each option. */
export function optionTypes (): string {
  const functions = new Set<string>()
  const declarations = Object.entries(NAMED).map(([name, schema]) => declaration(name, schema, functions))
  return `/* Made from the schemas beside it by scripts/option-types.ts. Do not edit: run 'npm run docs'. */

import type { ${[...functions].sort().join(', ')} } from './functions.js'

${declarations.join('\n\n')}
`
}

function declaration (name: string, schema: TSchema, functions: Set<string>): string {
  const comment = jsDoc(schema, '')
  if (KindGuard.IsObject(schema)) {
    const base = OF_CODE[name] ?? Object.entries(NAMED).find(([, named]) => isPart(named, schema))?.[0]
    if (base === undefined) return `${comment}export interface ${name} ${members(schema, '', functions)}`
    const inherited = (NAMED[base] as TObject).properties
    const own = Object.entries(schema.properties).filter(([key, property]) => inherited[key] === undefined || !same(inherited[key], property))
    const changed = own.map(([key]) => key).filter(key => key in inherited)
    const parent = changed.length === 0 ? base : `Omit<${base}, ${changed.map(key => `'${key}'`).join(' | ')}>`
    return `${comment}export interface ${name} extends ${parent} ${members({ ...schema, properties: Object.fromEntries(own) }, '', functions)}`
  }
  return `${comment}export type ${name} = ${typeText(schema, '', functions, name)}`
}

function members ({ properties, required = [] }: TObject, indent: string, functions: Set<string>): string {
  const inner = `${indent}  `
  const lines = Object.entries(properties).map(([name, schema]) =>
    `${jsDoc(schema, inner)}${inner}${name}${required.includes(name) ? '' : '?'}: ${typeText(schema, inner, functions)}`)
  return `{\n${lines.join('\n')}\n${indent}}`
}

/** What an editor shows: the description, which says the unit, and the default. */
function jsDoc (schema: TSchema, indent: string): string {
  const standard = 'default' in schema ? ` Default: ${JSON.stringify(schema.default)}.` : ''
  const text = `${schema.description ?? ''}${standard}`.trim().replaceAll('*/', '*\\/')
  if (text === '') return ''
  if (indent.length + text.length + 7 <= WIDTH) return `${indent}/** ${text} */\n`
  const lines: string[] = ['']
  for (const word of text.split(' ')) {
    if (lines.at(-1)!.length + word.length + indent.length + 4 > WIDTH) lines.push('')
    lines[lines.length - 1] += `${lines.at(-1) === '' ? '' : ' '}${word}`
  }
  return `${indent}/**\n${lines.map(line => `${indent} * ${line}\n`).join('')}${indent} */\n`
}

function typeText (schema: TSchema, indent: string, functions: Set<string>, itself?: string): string {
  const name = Object.entries(NAMED).find(([name, named]) => name !== itself && (same(named, schema) || sameObject(named, schema)))?.[0]
  if (name !== undefined) return name
  const { typeName } = schema as { typeName?: string }
  if (typeName !== undefined) {
    // One that is made of others has no name to import.
    if (/^\w+$/.test(typeName)) functions.add(typeName)
    return typeName
  }
  if (KindGuard.IsUnion(schema)) return [...new Set(schema.anyOf.map(branch => typeText(branch, indent, functions)))].join(' | ')
  if (KindGuard.IsLiteral(schema)) return typeof schema.const === 'string' ? `'${schema.const}'` : String(schema.const)
  if (KindGuard.IsArray(schema)) {
    const item = typeText(schema.items, indent, functions)
    return /^\w+$/.test(item) ? `${item}[]` : `Array<${item}>`
  }
  if (KindGuard.IsRecord(schema)) return `Record<string, ${typeText(Object.values(schema.patternProperties)[0]!, indent, functions)}>`
  if (KindGuard.IsObject(schema)) return members(schema, indent, functions)
  if (KindGuard.IsInteger(schema) || KindGuard.IsNumber(schema)) return 'number'
  if (KindGuard.IsString(schema)) return 'string'
  if (KindGuard.IsBoolean(schema)) return 'boolean'
  if (KindGuard.IsNull(schema)) return 'null'
  throw new TypeError(`a schema has no type that this script knows: ${JSON.stringify(schema)}`)
}

/** Whether all options of one kind are options of another, too, and not the other way round. */
function isPart (one: TSchema, other: TObject): boolean {
  if (!KindGuard.IsObject(one) || Object.keys(one.properties).length >= Object.keys(other.properties).length) return false
  return Object.entries(one.properties).every(([key, schema]) => other.properties[key] === schema)
}

/** Type.Optional() copies a schema, so that it is not the same object any more. */
function same (one: TSchema, other: TSchema): boolean {
  return one === other || (one.description !== undefined && JSON.stringify(one) === JSON.stringify(other))
}

/** Whether two are the same but for what an option of the kind is there for. */
function sameObject (one: TSchema, other: TSchema): boolean {
  const { description = '' } = other
  return KindGuard.IsObject(one) && KindGuard.IsObject(other) && same({ ...one, description }, { ...other, description })
}

/** The text of options.schema.json: the schema of sluice.yaml, for editors. */
export function configSchema (): string {
  return `${JSON.stringify(fileSchema(options.GatewayConfig), null, 2)}\n`
}
