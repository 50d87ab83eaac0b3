import { isHeaderValue, isToken, type HeaderList } from '../../message/headers.js'

/**
 * The head of a request, up to its last header line. What a parser has read, and what rules set, is fit for it.
 *
 * @throws {TypeError} for a name or a value that would be more than one header.
 */
export function requestHead (method: string, path: string, headers: HeaderList): string {
  let head = `${method} ${path} HTTP/1.1\r\n`
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index]!
    const value = headers[index + 1]!
    if (!isToken(name)) throw new TypeError('a name has characters that no header may have')
    if (!isHeaderValue(value)) throw new TypeError(`the value of '${name}' has characters that no header may have`)
    head += `${name}: ${value}\r\n`
  }
  return head
}
