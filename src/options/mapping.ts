/* Values of which the shape is not known yet. */

/** Whether a value is an object with names: neither null nor an array. */
export function isMapping (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The value if it is one, or else an empty one: that it has the wrong type is reported by its schema. */
export function mappingOf (value: unknown): Record<string, unknown> {
  return isMapping(value) ? value : {}
}

/** The names in a JSON pointer (RFC 6901). */
export function pointerNames (pointer: string): string[] {
  return pointer.split('/').slice(1).map(name => name.replaceAll('~1', '/').replaceAll('~0', '~'))
}
