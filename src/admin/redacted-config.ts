import { isSecretHeader, REDACTED, redactUrl } from '../observers/redaction.js'
import { SECRET_OPTIONS } from '../options/secrets.js'

/** PEM text in the place of a path. */
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----/

const withoutSecrets = redactUrl()

/** A configuration as JSON, without its secrets. Functions are left out. */
export function redactedConfig (config: object): object {
  return redacted(JSON.parse(JSON.stringify(config)), false) as object
}

/** @param inHeaders Whether names are those of headers. */
function redacted (value: unknown, inHeaders: boolean): unknown {
  if (typeof value === 'string') return PRIVATE_KEY.test(value) ? REDACTED : withoutSecrets(value)
  if (Array.isArray(value)) return value.map(item => redacted(item, inHeaders))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => {
    const isSecret = SECRET_OPTIONS.has(name) || (inHeaders && typeof item !== 'object' && isSecretHeader(name))
    return [name, isSecret ? REDACTED : redacted(item, inHeaders || name === 'headers')]
  }))
}
