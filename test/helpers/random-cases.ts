import type { Test } from 'tap'

/*
 * Tests with random cases, each of which its number makes again. SEED=<n> begins with another case, COUNT=<n> runs so
 * many, however long it takes.
 */

const { COUNT, SEED: GIVEN_SEED } = process.env
const MOST = Number(COUNT ?? (GIVEN_SEED === undefined ? Infinity : 1))
const TIME = MOST === Infinity ? 15_000 : Infinity
const AT_A_TIME = 8

/** The number of the first case. */
export const SEED = Number(GIVEN_SEED ?? Math.floor(Math.random() * 2 ** 31))

/** How long such a test may take, in milliseconds, with all that it waits for at its end. */
export const CASES_TIMEOUT = MOST === Infinity ? 90_000 : 900_000

/**
 * Runs cases, some at a time, for 15 s or as many as COUNT says, and ends early after a few that fail.
 *
 * @param run Rejects with what is wrong; `index` counts from 0, the number from `SEED`.
 * @returns How many have run.
 */
export async function runCases (t: Pick<Test, 'same' | 'ok'>, run: (number: number, index: number) => Promise<void>): Promise<number> {
  const until = performance.now() + TIME
  let next = 0
  const failures: string[] = []
  const work = async (): Promise<void> => {
    while (next < MOST && performance.now() < until && failures.length < 5) {
      const index = next++
      await run(SEED + index, index).catch((error: Error) => failures.push(`SEED=${SEED + index}: ${error.message}`))
    }
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, work))
  t.same(failures, [], 'replay a failure with its SEED')
  t.ok(next > 0)
  return next
}
