import { isDeepStrictEqual } from 'node:util'

/** The ways in which a test cuts so many bytes: not at all, in two at every place, and between all of them. */
export function * cutsOf (length: number): Generator<number[]> {
  yield []
  for (let place = 1; place < length; place++) yield [place]
  yield Array.from({ length: Math.max(0, length - 1) }, (_, index) => index + 1)
}

/** Bytes, cut at some places. All pieces come in the same memory, as from a socket: the next one, or 0xff, takes a piece's place. */
export function * pieces (bytes: Buffer, cuts: number[]): Generator<Buffer> {
  const memory = Buffer.alloc(bytes.length)
  const places = [0, ...cuts, bytes.length]
  for (let index = 1; index < places.length; index++) {
    const piece = memory.subarray(0, bytes.copy(memory, 0, places[index - 1], places[index]))
    try {
      yield piece
    } finally {
      piece.fill(0xff)
    }
  }
}

/** What is made of bytes that are cut in one way or another; where that makes a difference, the first such ways. */
export function however<Result> (ways: Iterable<number[]>, make: (cuts: number[]) => Result): Result | Array<{ cuts: number[], made: Result }> {
  let first: { cuts: number[], made: Result } | undefined
  for (const cuts of ways) {
    const made = make(cuts)
    first ??= { cuts, made }
    if (!isDeepStrictEqual(made, first.made)) return [first, { cuts, made }]
  }
  return first!.made
}
