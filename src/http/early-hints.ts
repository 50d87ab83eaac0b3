import type { ServerResponse } from 'node:http'
import { headerValues, type HeaderList } from '../message/headers.js'

/**
 * Passes on what a target says ahead of its response (RFC 8297): its links. Hints that Node does not take are
 * dropped, and so are those that a client does not read; they are hints.
 */
export function writeEarlyHints (response: ServerResponse, headers: HeaderList): void {
  // Node takes one link at a time. A comma may stand in its URL, too.
  const link = headerValues(headers, 'link').flatMap(value => value.split(/,\s*(?=<)/))
  if (link.length === 0 || response.headersSent) return
  // It would write them between the head and the body of a response that waits for its turn.
  if (response.socket === null) return
  // A target may go on with them for ever, and a client not read them.
  if (response.writableLength >= response.writableHighWaterMark) return
  try {
    response.writeEarlyHints({ link })
  } catch {
    // A malformed link.
  }
}
