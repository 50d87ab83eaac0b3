import type { Readable, Writable } from 'node:stream'
import { random } from '../../helpers/random.js'
import { rest, rests, streamOf, type Plan, type Side } from './plan.js'

/**
 * Writes the body of a side, up to its end or so many bytes of it; gives whether that was all.
 *
 * @param before Is waited for before the last of it: a response that is whole ends the request, too.
 */
export async function writeBody (plan: Plan, side: Side, sink: Writable, until = Infinity, before = async (): Promise<void> => {}): Promise<boolean> {
  const pick = random(plan.number)
  const { size } = plan.parts[side]
  const stream = streamOf(plan, side)
  const end = Math.min(size, until)
  while (stream.position < end) {
    const chunk = stream.take(Math.min(1 + pick(pick(300_000) + 1), end - stream.position))
    if (stream.position === size) await before()
    if (sink.destroyed) return false
    if (!sink.write(chunk)) await drained(sink)
  }
  if (size === 0) await before()
  return until >= size
}

/** Resolves when more can be written, or nothing any more. */
function drained (sink: Writable): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      sink.off('drain', done).off('close', done)
      resolve()
    }
    sink.on('drain', done).on('close', done)
  })
}

export interface BodyRead {
  bytes: number
  fault?: string
  /** It ended as it should, after all of it. */
  whole: boolean
}

/** Reads the body of a side and checks it byte by byte, at most so many bytes of it. */
export async function readBody (plan: Plan, side: Side, source: Readable, until = Infinity): Promise<BodyRead> {
  const reader = side === 'client' ? 'target' : 'client'
  const pick = random(~plan.number)
  const { slow } = plan.parts[reader]
  const stream = streamOf(plan, side)
  let whole = false
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      const begin = stream.position
      if (!stream.check(chunk)) return { bytes: begin, fault: `exchange ${plan.number}: the ${reader} got a wrong byte within ${chunk.length} behind ${begin}`, whole: false }
      if (stream.position >= until) return { bytes: stream.position, whole: false }
      if (rests(pick, slow)) await rest(pick)
    }
    whole = true
  } catch {
    // It was broken off.
  }
  const bytes = stream.position
  const { size } = plan.parts[side]
  if (bytes > size || (whole && bytes < size)) return { bytes, fault: `exchange ${plan.number}: the ${reader} got ${bytes} bytes of ${size}, and an end`, whole }
  return { bytes, whole: whole && bytes === size }
}
