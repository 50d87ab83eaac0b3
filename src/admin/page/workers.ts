import { age, count, plural } from './format.js'
import type { WorkerRow } from './protocol.js'

/** The workers in a few words; nothing where there is a single process. */
export function workersText (workers: readonly WorkerRow[] | null): string {
  if (workers === null) return ''
  const states = (['starting', 'leaving'] as const).flatMap(state => {
    const number = workers.filter(worker => worker.state === state).length
    return number === 0 ? [] : [`${number} ${state}`]
  })
  return [plural(workers.filter(({ state }) => state === 'serving').length, 'worker'), ...states].join(', ')
}

/** Each of them on a line. */
export function workersTitle (workers: readonly WorkerRow[] | null, now: number): string {
  return (workers ?? []).map(({ id, pid, state, startedAt, sessions }) =>
    `worker ${id}: process ${pid}, ${state}, up ${age(now - startedAt)}, ${count(sessions)} sessions`).join('\n')
}
