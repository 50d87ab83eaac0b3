import { ResponseReader } from '../../src/upstreams/http1/response-reader.js'
import type { HeaderList } from '../../src/message/headers.js'
import { pieces } from './pieces.js'

/** The head of a response. */
export type HeadRead = [status: number, message: string, headers: HeaderList]

/** What a reader makes of some bytes, without what depends on how they were cut. */
export interface ResponseRead {
  interim: HeadRead[]
  head: HeadRead | undefined
  /** As latin1. */
  body: string
  /** Where the reader stands behind the bytes. */
  at: 'its end' | 'the end of the connection' | 'a head' | 'a body' | 'a fault'
  /** Of a response that is over: how many of the bytes belong to it, and what stands behind its chunks. */
  length?: number
  trailers?: HeaderList
  /** Where there is a head, and no fault. */
  persistent?: boolean
  keepAlive?: number | undefined
}

/** Reads the bytes of a response, cut at some places. */
export function readResponse (bytes: Buffer, bodyless = false, cuts: number[] = [], maxHeaderSize = 16 * 1024): { read: ResponseRead, fault: string | undefined } {
  const read: ResponseRead = { interim: [], head: undefined, body: '', at: 'a body' }
  const reader = new ResponseReader({
    onInterim: ({ status, message, headers }) => { read.interim.push([status, message, headers]) },
    onHead: ({ status, message, headers }) => { read.head = [status, message, headers] },
    onBody: chunk => { read.body += chunk.toString('latin1') }
  })
  reader.begin(maxHeaderSize, bodyless)
  let length = 0
  for (const piece of pieces(bytes, cuts)) {
    length += reader.read(piece)
    if (reader.over || reader.fault !== undefined) break
  }
  const { fault, over, endsWithConnection, inHead, trailers, persistent, keepAlive } = reader
  if (fault !== undefined) return { read: { ...read, at: 'a fault' }, fault }
  if (read.head !== undefined) Object.assign(read, { persistent, keepAlive })
  if (over) Object.assign(read, { at: 'its end', length, trailers })
  else if (inHead) read.at = 'a head'
  else if (endsWithConnection) read.at = 'the end of the connection'
  return { read, fault }
}
