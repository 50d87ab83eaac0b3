import type { IncomingMessage } from 'node:http'
import { headerIndex, headerValues } from './headers.js'

/**
 * What leaves the end of a request's body in doubt, or undefined. Node takes any list of transfer codings that ends
 * in chunked, and decodes that one only: a target would get the rest of the coding without a word of it.
 */
export function framingFault ({ rawHeaders, httpVersion }: Pick<IncomingMessage, 'rawHeaders' | 'httpVersion'>): string | undefined {
  // Most requests have none.
  if (headerIndex(rawHeaders, 'transfer-encoding') === -1) return undefined
  const codings = headerValues(rawHeaders, 'transfer-encoding')
  if (codings.length > 1 || codings[0]!.toLowerCase() !== 'chunked') return 'its Transfer-Encoding is not chunked alone'
  // RFC 9112 §6.1: the framing is faulty.
  if (httpVersion !== '1.1') return 'only HTTP/1.1 has a Transfer-Encoding'
  // RFC 9112 §6.3. Only a lenient parser lets it get here.
  if (headerIndex(rawHeaders, 'content-length') !== -1) return 'it has a Content-Length beside its Transfer-Encoding'
  return undefined
}
