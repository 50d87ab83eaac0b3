import type { Pick } from '../../helpers/random.js'
import { closing, frame } from '../../helpers/wire.js'
import { chance, garbage, mutated, one, size } from './random-bytes.js'

/** A stream of frames as a peer may send it, with a token in the payloads. */
export function frames (pick: Pick, token: string, mask: boolean): Buffer {
  const key = garbage(pick, 4)
  const made = (first: number, payload: string | Buffer): Buffer => frame(first, payload, { mask, key })
  const parts: Buffer[] = []
  for (let count = 1 + pick(8); count > 0; count--) {
    const text = `${token} `.repeat(1 + size(pick, 40))
    switch (pick(9)) {
      case 0: parts.push(made(0x81, text)); break
      case 1: parts.push(made(0x82, Buffer.concat([Buffer.from(text), garbage(pick, size(pick, 3000))]))); break
      case 2: parts.push(made(0x01, token), made(0x89, token), made(0x00, ''), made(0x80, token)); break
      case 3: parts.push(made(0x89, text.slice(0, 125))); break
      case 4: parts.push(made(0x8a, text.slice(0, 125))); break
      case 5: parts.push(made(0x82, Buffer.alloc(one(pick, [125, 126, 127, 65_535, 65_536, 150_000]), text))); break
      // What must not be.
      case 6: parts.push(made(one(pick, [0x80, 0x83, 0x8b, 0xc1, 0x91, 0x09, 0x08, 0x81, 0x01]), text)); break
      case 7: parts.push(made(0x88, chance(pick, 60) ? closing(one(pick, [1000, 1001, 1005, 1014, 3000, 4999, 5000, 0]), chance(pick, 50) ? token : '') : garbage(pick, pick(4)))); break
      case 8: parts.push(...flood(pick, made)); break
    }
  }
  if (chance(pick, 10)) parts.push(frame(0x81, token, { mask: !mask }))
  const bytes = Buffer.concat(parts)
  return chance(pick, 50) ? mutated(pick, bytes) : bytes
}

/** Many frames of next to nothing. */
function flood (pick: Pick, made: (first: number, payload: string) => Buffer): Buffer[] {
  const count = 1 + size(pick, 2000)
  switch (pick(3)) {
    case 0: return Array<Buffer>(count).fill(made(0x89, ''))
    case 1: return [made(0x01, 'x'), ...Array<Buffer>(count).fill(made(0x00, '')), made(0x80, '')]
    default: return Array<Buffer>(count).fill(made(0x82, ''))
  }
}
