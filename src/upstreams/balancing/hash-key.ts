import type { FastifyRequest } from 'fastify'
import { UpstreamSelectionError } from '../../errors.js'
import type { HashFunction, HashOptions } from '../../options/index.js'
import { cookieOf } from '../../message/cookies.js'
import type { KeyFunction } from './hash.js'

/** Reads the key of a request. */
export function keyOf (hash: HashOptions['hash']): KeyFunction {
  if (typeof hash === 'function') return request => keyFrom(hash, request)
  if (hash === 'address') return request => request.ip
  if (hash === 'path') return request => pathOf(request.url)
  if ('header' in hash) {
    const name = hash.header.toLowerCase()
    return ({ headers }) => {
      const value = headers[name]
      return Array.isArray(value) ? value.join(', ') : value
    }
  }
  if ('cookie' in hash) return ({ headers }) => cookieOf(headers.cookie, hash.cookie)
  return request => new URLSearchParams(request.url.slice(pathOf(request.url).length)).get(hash.query)
}

function pathOf (url: string): string {
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}

/** @throws {UpstreamSelectionError} where a function of the app throws, or returns something else than a text. */
function keyFrom (hash: HashFunction, request: FastifyRequest): ReturnType<KeyFunction> {
  let key: unknown
  try {
    key = hash(request)
  } catch (cause) {
    throw new UpstreamSelectionError({ cause })
  }
  if (key !== undefined && key !== null && typeof key !== 'string') {
    throw new UpstreamSelectionError({ cause: new TypeError(`the function in 'balance.hash' must return a text or nothing, got ${typeof key}`) })
  }
  return key
}
