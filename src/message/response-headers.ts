import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { HeaderList } from './headers.js'

/** The headers of a list by name in lower case; one that is there more than once has all its values. */
export function headersByName (headers: HeaderList): Map<string, string | string[]> {
  const values = new Map<string, string | string[]>()
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index]!.toLowerCase()
    const value = headers[index + 1]!
    const earlier = values.get(name)
    if (earlier === undefined) values.set(name, value)
    else if (typeof earlier === 'string') values.set(name, [earlier, value])
    else earlier.push(value)
  }
  return values
}

/**
 * The list with Content-Disposition ahead of Content-Length, where it is not ASCII. Node decodes as UTF-8 what stands
 * behind the length, also when it has been set as a header before; in the other order it leaves the bytes alone.
 */
export function withDispositionFirst (headers: HeaderList): HeaderList {
  let length = -1
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index]!
    if (name.length === 14 && name.toLowerCase() === 'content-length') length = index
    if (length !== -1 && isOddDisposition(name, headers[index + 1]!)) {
      return withDispositionFirst([...headers.slice(0, length), name, headers[index + 1]!, ...headers.slice(length, index), ...headers.slice(index + 2)])
    }
  }
  return headers
}

/** Whether this is a Content-Disposition whose bytes are not all ASCII. */
export function isOddDisposition (name: string, value: string): boolean {
  return name.length === 19 && name.toLowerCase() === 'content-disposition' && !/^[\0-\x7f]*$/.test(value)
}

/**
 * Lets a response tell the headers that it has been sent with, to onResponse hooks and serializers of the log.
 * Node does not tell those that were written as a list.
 */
export function showHeaders (given: ServerResponse, headers: HeaderList): void {
  const response = given as ShownResponse
  response[SENT] = headers
  // The same functions for all, so that this costs next to nothing.
  response.getHeader = getHeader
  response.getHeaders = getHeaders
  response.getHeaderNames = getHeaderNames
  response.hasHeader = hasHeader
}

const SENT = Symbol('sluice.sent')

type ShownResponse = ServerResponse & { [SENT]: HeaderList }

function getHeader (this: ShownResponse, name: string): string | string[] | undefined {
  return headersByName(this[SENT]).get(name.toLowerCase())
}

function getHeaders (this: ShownResponse): OutgoingHttpHeaders {
  return Object.assign(Object.create(null) as OutgoingHttpHeaders, Object.fromEntries(headersByName(this[SENT])))
}

function getHeaderNames (this: ShownResponse): string[] {
  return [...headersByName(this[SENT]).keys()]
}

function hasHeader (this: ShownResponse, name: string): boolean {
  return headersByName(this[SENT]).has(name.toLowerCase())
}
