import type { FastifyRequest } from 'fastify'
import type { HashOptions } from '../options/index.js'
import { cookieOf } from './cookies.js'

/** Returns what requests have in common that belong together; nothing where a request has none. */
export type KeyFunction = (request: FastifyRequest) => string | null | undefined

/** Where a key comes from: of the request, or from a function of the app. */
export type KeySource = HashOptions['hash']

/** Says what a function of the app has done wrong, as an error for the client; the cause is for the log. */
type Failure = (cause: unknown) => Error

/**
 * Reads the key of a request.
 *
 * @param option The option that says where it comes from, for the error.
 * @param failure Makes the error that the key function throws where one of the app throws, or returns something else than a text.
 */
export function keyOf (source: KeySource, option: string, failure: Failure): KeyFunction {
  if (typeof source === 'function') return request => keyFrom(source, request, option, failure)
  if (source === 'address') return request => request.ip
  if (source === 'path') return request => pathOf(request.url)
  if ('header' in source) {
    const name = source.header.toLowerCase()
    return ({ headers }) => {
      const value = headers[name]
      return Array.isArray(value) ? value.join(', ') : value
    }
  }
  if ('cookie' in source) return ({ headers }) => cookieOf(headers.cookie, source.cookie)
  return request => new URLSearchParams(request.url.slice(pathOf(request.url).length)).get(source.query)
}

function pathOf (url: string): string {
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}

function keyFrom (source: KeyFunction, request: FastifyRequest, option: string, failure: Failure): ReturnType<KeyFunction> {
  let key: unknown
  try {
    key = source(request)
  } catch (cause) {
    throw failure(new Error(`the function in '${option}' has thrown an error`, { cause }))
  }
  if (key !== undefined && key !== null && typeof key !== 'string') {
    throw failure(new TypeError(`the function in '${option}' must return a text or nothing, got ${typeof key}`))
  }
  return key
}
