import type { IncomingMessage } from 'node:http'
import { headerValues } from '../upstreams/headers.js'

/**
 * What leaves the end of a request's body in doubt, or undefined. Node takes any list of transfer codings that ends
 * in chunked, and decodes that one only: a target would get the rest of the coding without a word of it.
 */
export function framingFault ({ rawHeaders, httpVersion }: Pick<IncomingMessage, 'rawHeaders' | 'httpVersion'>): string | undefined {
  let coding: string | undefined
  let codings = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!
    if (name.length !== 17 || name.toLowerCase() !== 'transfer-encoding') continue
    coding = rawHeaders[index + 1]
    codings++
  }
  if (coding === undefined) return undefined
  if (codings > 1 || coding.toLowerCase() !== 'chunked') return 'its Transfer-Encoding is not chunked alone'
  // RFC 9112 §6.1: the framing is faulty.
  if (httpVersion !== '1.1') return 'only HTTP/1.1 has a Transfer-Encoding'
  // RFC 9112 §6.3. Only a lenient parser lets it get here.
  if (headerValues(rawHeaders, 'content-length').length > 0) return 'it has a Content-Length beside its Transfer-Encoding'
  return undefined
}
