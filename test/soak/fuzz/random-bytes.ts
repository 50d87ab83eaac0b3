import type { Pick } from '../../helpers/random.js'

/** One of a list. */
export function one<Item> (pick: Pick, list: readonly Item[]): Item {
  return list[pick(list.length)]!
}

/** True in so many of a hundred cases. */
export function chance (pick: Pick, percent: number): boolean {
  return pick(100) < percent
}

/** A whole number, mostly small. */
export function size (pick: Pick, limit: number): number {
  return pick(pick(pick(limit) + 1) + 1)
}

export function garbage (pick: Pick, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  for (let index = 0; index < length; index++) bytes[index] = pick(256)
  return bytes
}

/** What a parser may stumble over. */
const SPICES = [
  '\r\n', '\n', '\r', '\r\n\r\n', '\n\n', '\0', ' ', '\t', ':', ',', ';', '0\r\n\r\n', 'ffffffffffffffff\r\n', '-1\r\n', '0x10\r\n', '7;ext="\r\n"\r\n',
  'Content-Length: 5\r\n', 'Content-Length: 5, 5\r\n', 'Content-Length: -1\r\n', 'Content-Length: 99999999999999999999\r\n', 'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: identity, chunked\r\n', 'Transfer-Encoding : chunked\r\n', 'Connection: close\r\n', 'Connection: upgrade\r\n', 'Upgrade: websocket\r\n',
  'Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n', 'Expect: 100-continue\r\n', 'Expect: x\r\n', 'Trailer: X-T\r\n', 'Keep-Alive: timeout=1\r\n', 'Host: \r\n', 'Host: a b\r\n',
  'HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', ' HTTP/1.0', ' HTTP/2.0', '%', '%00', '\\', '//', '../', '\x80', '\xff'
].map(spice => Buffer.from(spice, 'latin1'))

/** One change of some bytes. */
function change (pick: Pick, bytes: Buffer): Buffer {
  const at = pick(bytes.length + 1)
  const end = Math.min(bytes.length, at + 1 + size(pick, 64))
  switch (pick(8)) {
    case 0: {
      const changed = Buffer.from(bytes)
      if (at < bytes.length) changed[at]! ^= 1 << pick(8)
      return changed
    }
    case 1: {
      const changed = Buffer.from(bytes)
      if (at < bytes.length) changed[at] = pick(256)
      return changed
    }
    case 2: return Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)])
    case 3: return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)])
    case 4: return Buffer.concat([bytes.subarray(0, at), garbage(pick, 1 + size(pick, 64)), bytes.subarray(at)])
    case 5: return bytes.subarray(0, at)
    default: return spiced(pick, bytes, at)
  }
}

/** Mostly at the beginning of a line, where it is a header. */
function spiced (pick: Pick, bytes: Buffer, at: number): Buffer {
  const line = bytes.indexOf('\n', at) + 1
  const place = line > 0 && chance(pick, 70) ? line : at
  return Buffer.concat([bytes.subarray(0, place), one(pick, SPICES), bytes.subarray(place)])
}

/** Bytes with some changes. */
export function mutated (pick: Pick, bytes: Buffer): Buffer {
  for (let changes = 1 + size(pick, 5); changes > 0; changes--) bytes = change(pick, bytes)
  return bytes
}

/** Bytes in pieces: all at once, some of any length, or single ones at the beginning. */
export function cut (pick: Pick, bytes: Buffer): Buffer[] {
  if (chance(pick, 30)) return [bytes]
  const pieces: Buffer[] = []
  const single = chance(pick, 10)
  let at = 0
  for (let count = 1 + pick(single ? 60 : 6); count > 0 && at < bytes.length; count--) {
    const end = count === 1 ? bytes.length : Math.min(bytes.length, at + 1 + (single ? 0 : pick(bytes.length - at)))
    pieces.push(bytes.subarray(at, end))
    at = end
  }
  return pieces
}
