import t from 'tap'
import { FrameScanner } from '../../../src/websocket/relay/frames.js'
import { closing, frame } from '../../helpers/wire.js'

/**
 * Differential: seeded random streams, cut at random places, against a parser that has the whole stream
 * before it and follows the text of RFC 6455 §5.2 step by step.
 */

interface Reading { frames: number, messages: number, payloadBytes: number, passed: number, code: number | undefined, violated: boolean }

function reference (stream: Buffer, masked: boolean, rsv: number): Reading {
  const reading: Reading = { frames: 0, messages: 0, payloadBytes: 0, passed: 0, code: undefined, violated: false }
  let open = false
  let at = 0
  for (;;) {
    if (stream.length - at < 2) return reading
    const fin = stream[at]! >> 7 === 1
    const opcode = stream[at]! & 15
    const control = opcode > 7
    const hasMask = stream[at + 1]! >> 7 === 1
    const short = stream[at + 1]! & 127
    const headerSize = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + (hasMask ? 4 : 0)
    if (stream.length - at < headerSize) return reading
    const size = short === 126 ? BigInt(stream.readUInt16BE(at + 2)) : short === 127 ? stream.readBigUInt64BE(at + 2) : BigInt(short)
    reading.violated =
      size >= 2n ** 53n || hasMask !== masked || (stream[at]! & 0x70 & ~rsv) !== 0 || (opcode > 2 && opcode < 8) || opcode > 10 ||
      (control && (!fin || short > 125)) || (opcode === 8 && size === 1n) || (opcode === 0 && !open) || ((opcode === 1 || opcode === 2) && open)
    if (reading.violated) return reading
    reading.frames++
    at += headerSize
    const present = Math.min(Number(size), stream.length - at)
    reading.payloadBytes += present
    reading.passed = at + present
    if (present < Number(size)) return reading
    if (opcode === 8) {
      const payload = Buffer.from(stream.subarray(at, at + present))
      if (hasMask) for (let index = 0; index < present; index++) payload[index]! ^= stream[at - 4 + index % 4]!
      reading.code = present === 0 ? 1005 : payload.readUInt16BE()
      return reading
    }
    at += present
    if (!control) open = !fin
    if (!control && fin) reading.messages++
  }
}

/** mulberry32: small, seeded, good enough. */
function random (seed: number): (below: number) => number {
  return below => {
    seed = (seed + 0x6d2b79f5) | 0
    let value = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return Math.floor(((value ^ (value >>> 14)) >>> 0) / 2 ** 32 * below)
  }
}

function randomStream (pick: (below: number) => number, mask: boolean): Buffer {
  const parts: Buffer[] = []
  let open = false
  for (let count = pick(12); count > 0; count--) {
    const key = Buffer.from([pick(256), pick(256), pick(256), pick(256)])
    const kind = pick(10)
    if (kind < 3) {
      parts.push(frame(0x89 + pick(2), Buffer.alloc(pick(126), pick(256)), { mask, key }))
    } else if (kind === 3 && pick(4) === 0) {
      parts.push(frame(0x88, pick(3) === 0 ? '' : closing(1000 + pick(4000), 'r'.repeat(pick(124))), { mask, key }))
    } else {
      const fin = pick(2)
      const size = [0, 1, 125, 126, 127, 1000, 65535, 65536][pick(pick(8) === 0 ? 8 : 6)]!
      parts.push(frame(fin << 7 | (open ? 0 : 1 + pick(2)), Buffer.alloc(size, pick(256)), { mask, key }))
      open = fin === 0
    }
  }
  return Buffer.concat(parts)
}

t.test('the scanner reads as the reference does, however a stream is cut', async t => {
  const failures: unknown[] = []
  let violated = 0
  let closed = 0
  for (let seed = 1; seed <= 3000; seed++) {
    const pick = random(seed)
    const mask = pick(2) === 1
    const rsv = [0, 0x40, 0x70][pick(3)]!
    const stream = randomStream(pick, mask)
    // Every other stream is damaged, near a header as likely as not.
    if (seed % 2 === 0 && stream.length > 0) {
      for (let count = 1 + pick(3); count > 0; count--) stream[pick(pick(2) === 0 ? Math.min(stream.length, 20) : stream.length)] = pick(256)
    }
    const expected = reference(stream, mask, rsv)

    const scanner = new FrameScanner({ masked: mask, allowedRsv: rsv })
    const largest = stream.length > 5000 ? 20_000 : [1, 3, 20, 500][pick(4)]!
    let passed = 0
    let held = Buffer.alloc(0)
    for (let at = 0; at < stream.length;) {
      const step = 1 + pick(largest)
      const chunk = Buffer.concat([held, stream.subarray(at, at + step)])
      at += step
      const done = scanner.scan(chunk)
      passed += done
      held = chunk.subarray(done)
      if (scanner.close !== undefined || scanner.violation !== undefined) break
      if (held.length > 13) failures.push({ seed, heldBack: held.length })
    }
    const found: Reading = {
      frames: scanner.frames,
      messages: scanner.messages,
      payloadBytes: scanner.payloadBytes,
      passed,
      code: scanner.close?.code,
      violated: scanner.violation !== undefined
    }
    if (JSON.stringify(found) !== JSON.stringify(expected)) failures.push({ seed, found, expected })
    if (expected.violated) violated++
    if (expected.code !== undefined) closed++
  }
  t.same(failures.slice(0, 3), [])
  t.ok(violated > 100 && closed > 100, `the streams are of all kinds: ${violated} invalid, ${closed} closed`)
})
