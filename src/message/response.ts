import { STATUS_CODES } from 'node:http'
import type { Readable } from 'node:stream'
import { TargetResponseInvalidError } from '../errors.js'
import { isHeaderValue, type HeaderList } from './headers.js'

/** The head of a target's response. */
export interface ResponseHead {
  status: number
  /** The reason phrase, as sent. */
  message: string
  /** For the client, those that go on to it. */
  headers: HeaderList
}

/** A target's response, its body still to come. */
export interface TargetResponse extends ResponseHead {
  body: Readable
}

/** @throws {TargetResponseInvalidError} for a status above 599: there is none (RFC 9110 §15), and Fastify refuses it. */
export function checkStatus (status: number): void {
  if (status > 599) throw new TargetResponseInvalidError({ cause: new Error(`the status ${status}`) })
}

/** A target's reason phrase. Parsers take any characters, and Node would throw for some of them; clients ignore it anyway. */
export function reasonPhrase (status: number, message: string): string {
  return isHeaderValue(message) ? message : STATUS_CODES[status] ?? ''
}
