import { endianness } from 'node:os'

/** Where it is not, bytes are masked one by one. */
const IS_LITTLE_ENDIAN = endianness() === 'LE'

/**
 * Copies a payload and masks it on the way, or unmasks it, which is the same (RFC 6455 §5.3).
 *
 * @param at Where the copy begins.
 * @param key The masking key, its first byte the lowest: as `readInt32LE()` gives it.
 * @param position How many bytes of the frame's payload stand before these.
 */
export function copyMasked (from: Buffer, to: Buffer, at: number, key: number, position = 0): void {
  from.copy(to, at)
  if (key === 0) return
  const end = at + from.length
  let index = at
  let shift = position & 3
  const start = to.byteOffset + at
  if (IS_LITTLE_ENDIAN && from.length >= 32) {
    for (; ((start + index - at) & 3) !== 0; index++) {
      to[index]! ^= (key >>> (8 * shift)) & 0xff
      shift = (shift + 1) & 3
    }
    const words = new Int32Array(to.buffer, to.byteOffset + index, (end - index) >>> 2)
    const rotated = shift === 0 ? key : (key >>> (8 * shift)) | (key << (32 - 8 * shift))
    for (let word = 0; word < words.length; word++) words[word]! ^= rotated
    index += words.length * 4
  }
  for (; index < end; index++) {
    to[index]! ^= (key >>> (8 * shift)) & 0xff
    shift = (shift + 1) & 3
  }
}
