import { Type } from '@sinclair/typebox'
import type { JsonSchema } from './functions.js'
import { closed, text } from './units.js'
import type * as types from './types.js'

/* Rules for messages of WebSockets that need no code. */

const pointer = text('^(/([^/~]|~[01])*)*$', 'must be a JSON pointer (RFC 6901): names behind slashes, such as /type or /user/id, in which ~1 stands for a slash and ~0 for ~')
const values = Type.Array(Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()]), { minItems: 1 })
const valuesAt = (description: string) => Type.Optional(Type.Record(pointer, values, {
  ...closed,
  minProperties: 1,
  patternErrorMessage: pointer['patternErrorMessage'] as string,
  description: `${description} By JSON pointer (RFC 6901): { /type: [subscribe, ping] }. Values are strings, numbers, booleans or null.`
}))

const jsonSchema = Type.Unsafe<JsonSchema>(Type.Object({}, { typeName: 'JsonSchema' }))
const schemaDescription = "JSON Schema of the messages, of draft-07, or of 2020-12 where its $schema says so. A 'pattern' in it is one that takes linear time (RE2), and a '$ref' leads to its own parts."

const rules = {
  allow: valuesAt('The values of which a message must have one at each of some places.'),
  deny: valuesAt('The values of which a message must have none at any of some places.'),
  onInvalid: Type.Optional(Type.Union([Type.Literal('close'), Type.Literal('drop')], {
    default: 'close',
    description: "What happens to a message that is not valid: 'close' ends the session with 1008 and a reason that says what is wrong, 'drop' leaves the message out."
  }))
}
const description = "Rules for messages, without code. A message is valid if it is JSON in a text and keeps to 'schema', 'allow' and 'deny', of which at least one is there; a binary one is not."

/** The messages of a direction, in sluice.yaml and from code. */
export const MessageRules = Type.Object({
  schema: Type.Optional(Type.Union([Type.String({ minLength: 1 }), jsonSchema], {
    description: `${schemaDescription} The schema itself, or the path of its file: in sluice.yaml one of JSON or YAML, relative to the file that names it; from code one of JSON, relative to the working directory.`
  })),
  ...rules
}, { ...closed, description })
export type MessageRules = types.MessageRules
