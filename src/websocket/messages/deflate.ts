import { constants, deflateRaw, inflateRaw, inflateRawSync, type ZlibOptions } from 'node:zlib'
import { promisify } from 'node:util'
import { CloseCode } from '../relay/frames.js'
import type { Fault } from '../relay/message-direction.js'

/*
 * The messages of permessage-deflate, without context takeover (RFC 7692 §7.2), by zlib's functions for whole buffers: a
 * session keeps no state between two messages, and the size of what is decompressed is limited while it grows. ws has code
 * for it, too, whose streams would have to be kept, or pooled, for each session.
 */

/** A sender takes these from the end of each message, and a receiver puts them back. */
const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff])

const { Z_SYNC_FLUSH } = constants

/** No byte can become more than this many. */
const MAX_RATIO = 1032

/** What can become no longer than this is decompressed at once: a thread would cost ten times as much. */
const AT_ONCE = 1024 * 1024

const TOO_LONG: Fault = { violation: 'a message that is too long', code: CloseCode.tooBig }
const INVALID: Fault = { violation: 'a message that cannot be decompressed', code: CloseCode.invalidData }

/** What zlib gives with `info`. */
interface Inflated { buffer: Buffer, engine: { bytesWritten: number } }

const inflateElsewhere = promisify(inflateRaw as unknown as (data: Buffer, options: ZlibOptions, done: (error: Error | null, result: Inflated) => void) => void)
const deflateElsewhere = promisify<Buffer, { finishFlush: number, windowBits: number }, Buffer>(deflateRaw)

/** @param maxSize Bytes of the longest message, decompressed. */
export function inflate (payload: Buffer, maxSize: number): Buffer | Fault | Promise<Buffer | Fault> {
  const data = Buffer.concat([payload, TAIL])
  const options: ZlibOptions = { finishFlush: Z_SYNC_FLUSH, maxOutputLength: maxSize, info: true }
  if (inflatedAtMost(payload, maxSize) > AT_ONCE) return inflateElsewhere(data, options).then(result => allOf(result, payload), faultOf)
  try {
    return allOf(inflateRawSync(data, options) as unknown as Inflated, payload)
  } catch (error) {
    return faultOf(error)
  }
}

/** Bytes that a payload can become. */
export function inflatedAtMost (payload: Buffer, maxSize: number): number {
  return Math.min(payload.length * MAX_RATIO, maxSize)
}

/**
 * zlib stops behind a block that says it is the last. What another decompressor might read behind it, no hook has seen;
 * only the empty byte may stand there that RFC 7692 §7.2.3.4 asks for.
 */
function allOf ({ buffer, engine: { bytesWritten } }: Inflated, payload: Buffer): Buffer | Fault {
  const rest = payload.subarray(bytesWritten)
  return rest.length === 0 || (rest.length === 1 && rest[0] === 0) ? buffer : INVALID
}

function faultOf (error: unknown): Fault {
  return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? TOO_LONG : INVALID
}

/** Below so many bytes, it would save next to nothing. */
const WORTHWHILE = 1024

/** Whether a message is compressed. zlib cannot make the smallest window. */
export function isWorthwhile (payload: Buffer, windowBits: number): boolean {
  return payload.length >= WORTHWHILE && windowBits > 8
}

export async function deflate (payload: Buffer, windowBits: number): Promise<Buffer> {
  const data = await deflateElsewhere(payload, { finishFlush: Z_SYNC_FLUSH, windowBits })
  return data.subarray(0, data.length - TAIL.length)
}
