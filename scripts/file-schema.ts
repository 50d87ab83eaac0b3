/* eslint-disable no-template-curly-in-string */

import type { Unit } from '../src/options/quantities.js'

/* The JSON Schema of sluice.yaml, for editors: that of the options, with what only a file can have. */

interface Schema {
  type?: string
  unit?: Unit
  const?: unknown
  pattern?: string
  description?: string
  default?: unknown
  anyOf?: Schema[]
  items?: Schema
  properties?: Record<string, Schema>
  patternProperties?: Record<string, Schema>
  [keyword: string]: unknown
}

const QUANTITIES: Record<Unit, string> = {
  milliseconds: '^(\\d+(\\.\\d+)? ?(ms|s|m|h|d))+$',
  seconds: '^(\\d+(\\.\\d+)? ?(ms|s|m|h|d))+$',
  bytes: '^\\d+(\\.\\d+)? ?(B|[kK]B|MB|GB|TB|KiB|MiB|GiB|TiB)$'
}

const VARIABLE = { $ref: '#/definitions/variable' }

/** @param options The schema of the options. */
export function fileSchema (options: object): object {
  const { properties, ...schema } = withTexts(JSON.parse(JSON.stringify(options)) as Schema)
  const paths = { type: 'string', minLength: 1 }
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'sluice.yaml',
    ...schema,
    properties: {
      include: { description: "Further files with upstreams and routes: a path, or a list of paths, relative to this file. The last part may have '*'.", anyOf: [paths, { type: 'array', items: paths }] },
      ...properties
    },
    patternProperties: { '^x-': { description: 'Not read: room for anchors.' } },
    definitions: {
      variable: { description: 'Has an environment variable: ${NAME} or ${NAME:-default}.', type: 'string', pattern: '\\$\\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\\}' },
      ...Object.fromEntries(Object.entries(QUANTITIES).map(([unit, pattern]) => [unit, { type: 'string', pattern }]))
    }
  }
}

function withTexts (schema: Schema): Schema {
  const { unit, description, default: standard, ...rest } = schema
  const annotations = { ...description !== undefined && { description }, ...standard !== undefined && { default: standard } }
  if (rest.type === 'integer' || rest.type === 'number') {
    return { ...annotations, anyOf: [rest, ...unit === undefined ? [] : [{ $ref: `#/definitions/${unit}` }], VARIABLE] }
  }
  if (rest.type === 'boolean' || rest.pattern !== undefined) return { ...annotations, anyOf: [rest, VARIABLE] }
  if (rest.anyOf !== undefined) {
    const branches = rest.anyOf.flatMap(branch => branch.const === undefined ? flat(withTexts(branch)) : [branch])
    const isText = branches.some(branch => branch.$ref === VARIABLE.$ref) || rest.anyOf.some(branch => branch.const !== undefined)
    return { ...annotations, ...rest, anyOf: [...branches.filter(branch => branch.$ref !== VARIABLE.$ref), ...isText ? [VARIABLE] : []] }
  }
  return {
    ...annotations,
    ...rest,
    ...rest.items !== undefined && { items: withTexts(rest.items) },
    ...rest.properties !== undefined && { properties: all(rest.properties) },
    ...rest.patternProperties !== undefined && { patternProperties: all(rest.patternProperties) }
  }
}

/** The branches of one that has become several. */
function flat (schema: Schema): Schema[] {
  const { anyOf, description, ...rest } = schema
  return anyOf === undefined || Object.keys(rest).some(name => name !== 'default') ? [schema] : anyOf.map(branch => description === undefined || branch.$ref !== undefined ? branch : { description, ...branch })
}

function all (schemas: Record<string, Schema>): Record<string, Schema> {
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, withTexts(schema)]))
}
