import { crc32, deflateSync } from 'node:zlib'

/** Colours of a PNG with a palette. */
const MOST = 256

/** A PNG with the colours that an image has most of; each other one becomes the one of them nearest to it. */
export function palettePng (width: number, height: number, rgba: Buffer): Buffer {
  const counts = new Map<number, number>()
  for (let at = 0; at < rgba.length; at += 4) {
    const color = rgba.readUIntBE(at, 3)
    counts.set(color, (counts.get(color) ?? 0) + 1)
  }
  const palette = [...counts].sort(([, one], [, other]) => other - one).slice(0, MOST).map(([color]) => color)
  const indexes = new Map(palette.map((color, index) => [color, index]))
  const rows = Buffer.alloc((width + 1) * height)
  for (let y = 0; y < height; y++) {
    // Each row begins with its filter: none.
    for (let x = 0; x < width; x++) {
      const color = rgba.readUIntBE((y * width + x) * 4, 3)
      let index = indexes.get(color)
      if (index === undefined) indexes.set(color, index = nearest(palette, color))
      rows[y * (width + 1) + 1 + x] = index
    }
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  // 8 bits, each an index into the palette.
  header[8] = 8
  header[9] = 3
  const colors = Buffer.alloc(palette.length * 3)
  palette.forEach((color, index) => colors.writeUIntBE(color, index * 3, 3))
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header), chunk('PLTE', colors), chunk('IDAT', deflateSync(rows, { level: 9 })), chunk('IEND', Buffer.alloc(0))
  ])
}

function nearest (palette: readonly number[], color: number): number {
  let found = 0
  let least = Infinity
  palette.forEach((other, index) => {
    const distance = ((color >> 16) - (other >> 16)) ** 2 + ((color >> 8 & 255) - (other >> 8 & 255)) ** 2 + ((color & 255) - (other & 255)) ** 2
    if (distance >= least) return
    least = distance
    found = index
  })
  return found
}

function chunk (type: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(named))
  return Buffer.concat([length, named, sum])
}
