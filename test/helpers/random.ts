/** Gives whole numbers below a limit, the same ones for the same seed (mulberry32). */
export type Pick = (below: number) => number

export function random (seed: number): Pick {
  return below => {
    seed = (seed + 0x6d2b79f5) | 0
    let value = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return Math.floor(((value ^ (value >>> 14)) >>> 0) / 2 ** 32 * below)
  }
}

/** The seeds of a fuzz test: the one of FUZZ_SEED, to repeat a failure, or so many. */
export function seeds (count: number): number[] {
  const given = process.env['FUZZ_SEED']
  return given === undefined ? Array.from({ length: count }, (_, index) => index + 1) : [Number(given)]
}
