import { isMapping, mappingOf } from '../options/mapping.js'
import { readYaml, type Written } from './yaml/written.js'

/* Schemas of messages that lie in files of their own. */

/** Rules whose schema is the path of a file, and where they say so. */
export interface SchemaPath {
  path: string[]
  rules: { schema: string }
}

/** The rules of messages in a configuration that has not been checked. */
export function messageRulesIn (config: unknown): Array<{ path: string[], rules: Record<string, unknown> }> {
  const { routes } = mappingOf(config)
  if (!Array.isArray(routes)) return []
  return routes.flatMap((route, index) => {
    const messages = mappingOf(mappingOf(mappingOf(route).websocket).messages)
    return ['fromClient', 'fromTarget'].filter(name => isMapping(messages[name]))
      .map(name => ({ path: ['routes', String(index), 'websocket', 'messages', name], rules: messages[name] as Record<string, unknown> }))
  })
}

/** Those of which the schema is in a file. */
export function schemaPaths (config: unknown): SchemaPath[] {
  return messageRulesIn(config).filter(({ rules: { schema } }) => typeof schema === 'string' && schema !== '')
    .map(({ path, rules }) => ({ path: [...path, 'schema'], rules: rules as SchemaPath['rules'] }))
}

/** Reads the text of a schema file, of JSON or of YAML. Variables of the environment are not replaced in it. */
export function schemaOf (text: string, file: { number: number, name: string }): Written {
  const written = readYaml(text, file, undefined)
  if (written.problems.length > 0 || isMapping(written.value)) return written
  const message = written.value === undefined ? 'the file is empty; it must have a JSON Schema' : 'a JSON Schema must be a mapping, such as { type: object }'
  return { ...written, value: {}, problems: [{ at: written.place.at, message }] }
}
