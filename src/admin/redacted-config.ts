/** Names of options and of headers whose values are secrets. */
const SECRET = /token|secret|passw|passphrase|authorization|api-?key|credential/i
/** Of headers alone: elsewhere it names a cookie. */
const COOKIE = /^(?:set-)?cookie$/i
/** PEM text in the place of a path. */
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----/
const REDACTED = '[redacted]'

/** A configuration as JSON, without its secrets. Functions are left out. */
export function redactedConfig (config: object): object {
  return redacted(JSON.parse(JSON.stringify(config)), false) as object
}

function redacted (value: unknown, inHeaders: boolean): unknown {
  if (typeof value === 'string') return PRIVATE_KEY.test(value) ? REDACTED : value
  if (Array.isArray(value)) return value.map(item => redacted(item, inHeaders))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => {
    const isSecret = (SECRET.test(name) || (inHeaders && COOKIE.test(name))) && (typeof item === 'string' || Array.isArray(item))
    return [name, isSecret ? REDACTED : redacted(item, inHeaders || name === 'headers')]
  }))
}
