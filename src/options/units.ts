import { Type, type StringOptions } from '@sinclair/typebox'

/* What options of several kinds are made of. */

export const closed = { additionalProperties: false } as const

export const milliseconds = (value: number, description: string) =>
  Type.Integer({ unit: 'milliseconds', minimum: 1, maximum: 2 ** 31 - 1, default: value, description: `${description} Milliseconds.` })
export const bytes = (description: string) =>
  Type.Integer({ unit: 'bytes', minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: `${description} Bytes. Default: no limit.` })
export const unlimitedMilliseconds = (description: string) =>
  Type.Integer({ unit: 'milliseconds', minimum: 1, maximum: 2 ** 31 - 1, description: `${description} Milliseconds. Default: no limit.` })

const closeCodes = (minimum: number, maximum: number) =>
  Type.Integer({ minimum, maximum, description: 'A code that may stand on the wire is one of 1000 to 1003, 1007 to 1014, or 3000 to 4999.' })
export const anyCloseCode = [closeCodes(1000, 1003), closeCodes(1007, 1014), closeCodes(3000, 4999)] as const
export const closeCode = (value: number, description: string) =>
  Type.Optional(Type.Union([...anyCloseCode], { default: value, description: `${description} One that may stand on the wire.` }))

export const pem = (description: string) => Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })], { description })

/**
 * A text of a certain form.
 *
 * @param message What is wrong with another one, in words, since nobody reads regular expressions: 'must begin with /'.
 * It is `patternErrorMessage` in the JSON Schema, where editors know it.
 */
export const text = (pattern: string, message: string, options: StringOptions = {}) =>
  Type.String({ ...options, pattern, patternErrorMessage: message })

/** The characters of a token of HTTP (RFC 9110 §5.6.2): names of headers and of cookies. */
export const TOKEN = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
export const TOKEN_CHARACTERS = "letters, digits and !#$%&'*+-.^_`|~"
