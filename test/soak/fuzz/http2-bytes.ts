import type { Pick } from '../../helpers/random.js'
import { chance, garbage, mutated, one, size } from './random-bytes.js'
import { pathTo } from './request-bytes.js'
import { names } from './routes.js'

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

function frame (type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream >>> 0, 5)
  return Buffer.concat([head, payload])
}

/** A header, literal and without indexing (RFC 7541 §6.2.2). */
function literal (name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0x00]), text(name), text(value)])
}

function text (value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1')
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes])
  const prefix = [127]
  let rest = bytes.length - 127
  for (; rest >= 128; rest >>>= 7) prefix.push((rest & 127) | 128)
  prefix.push(rest)
  return Buffer.concat([Buffer.from(prefix), bytes])
}

/** A client's side of an HTTP/2 connection (RFC 9113), with some requests. */
export function http2Bytes (pick: Pick, token: () => string): Buffer {
  const parts = [PREFACE, frame(4, 0, 0, chance(pick, 70) ? Buffer.alloc(0) : settings(pick))]
  let stream = 1
  for (let count = 1 + pick(6); count > 0; count--, stream += 2) {
    const mark = token()
    const method = one(pick, ['GET', 'GET', 'HEAD', 'POST', 'PUT', 'CONNECT', 'OPTIONS'])
    const fields: Array<[string, string]> = [
      [':method', method], [':scheme', one(pick, ['http', 'https'])], [':authority', one(pick, ['a', 'a:80', 'a b', ''])],
      [':path', pathTo(pick, chance(pick, 70) ? 'bad' : 'good', one(pick, names), mark)]
    ]
    for (const field of [['te', 'trailers'], ['connection', 'close'], ['transfer-encoding', 'chunked'], ['content-length', '5'], ['cookie', 'a=1'], ['host', 'b'], [':protocol', 'websocket'], ['X-Upper', '1'], ['expect', '100-continue'], ['x-long', 'x'.repeat(pick(9000))], ['upgrade', 'websocket']] as Array<[string, string]>) {
      if (chance(pick, 6)) fields.push(field)
    }
    const block = Buffer.concat(fields.map(([name, value]) => literal(name, value)))
    const ends = method === 'GET' || chance(pick, 20)
    if (chance(pick, 90)) {
      parts.push(frame(1, 4 | (ends ? 1 : 0), stream, block))
    } else {
      const place = pick(block.length)
      parts.push(frame(1, ends ? 1 : 0, stream, block.subarray(0, place)), frame(9, 4, stream, block.subarray(place)))
    }
    if (!ends) for (let chunks = pick(4); chunks > 0; chunks--) parts.push(frame(0, chance(pick, 30) ? 1 : 0, stream, Buffer.alloc(size(pick, 9000), mark)))
    for (let others = pick(3); others > 0; others--) parts.push(other(pick, stream))
  }
  const bytes = Buffer.concat(parts)
  return chance(pick, 50) ? mutated(pick, bytes) : bytes
}

function settings (pick: Pick): Buffer {
  const payload = Buffer.alloc(6)
  payload.writeUInt16BE(pick(10))
  payload.writeUInt32BE(one(pick, [0, 1, 65_535, 2 ** 31 - 1, 2 ** 32 - 1, 16_384]), 2)
  return payload
}

/** A frame that asks for nothing. */
function other (pick: Pick, stream: number): Buffer {
  const number = Buffer.alloc(4)
  number.writeUInt32BE(one(pick, [0, 1, 8, 65_535, 2 ** 31 - 1]))
  switch (pick(8)) {
    case 0: return frame(3, 0, stream, number)
    case 1: return frame(6, pick(2), 0, garbage(pick, 8))
    case 2: return frame(8, 0, one(pick, [0, stream]), number)
    case 3: return frame(7, 0, 0, Buffer.concat([number, number, garbage(pick, pick(10))]))
    case 4: return frame(2, 0, stream, garbage(pick, 5))
    case 5: return frame(4, pick(2), 0, settings(pick))
    case 6: return Buffer.concat(Array<Buffer>(1 + size(pick, 300)).fill(frame(6, 0, 0, Buffer.alloc(8))))
    default: return frame(pick(16), pick(256), one(pick, [0, stream, pick(100)]), garbage(pick, size(pick, 100)))
  }
}
