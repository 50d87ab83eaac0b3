import { STATUS_CODES } from 'node:http'

/**
 * The body of an error that no Fastify reply carries, in the form that Fastify gives all others: the app's router takes
 * nothing at that moment, or what came is not a request.
 */
export function errorBody ({ statusCode = 500, code, message }: { statusCode?: number, code: string, message: string }): string {
  return JSON.stringify({ statusCode, code, error: STATUS_CODES[statusCode], message })
}

/** The headers that frame it. */
export function errorHeaders (body: string): Record<string, string> {
  return {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(body))
  }
}
