import type { HeaderList } from '../../message/headers.js'

/** The schemes that authenticate a connection, in a list of challenges or as that of credentials. */
const CONNECTION_SCHEME = /(?:^|,)[ \t]*(?:negotiate|ntlm)(?:[ \t,]|$)/i

/** Whether a WWW-Authenticate or an Authorization is of a scheme that authenticates the connection (RFC 4559). */
export function namesConnectionScheme (value: string): boolean {
  return CONNECTION_SCHEME.test(value)
}

/** Whether a request authenticates its connection. */
export function authenticatesConnection (headers: HeaderList): boolean {
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index]!
    if (name.length === 13 && name.toLowerCase() === 'authorization' && namesConnectionScheme(headers[index + 1]!)) return true
  }
  return false
}
