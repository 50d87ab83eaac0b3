import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { watchFiles, type WatchTimes } from '../../net/watched-files.js'
import type { TargetOptions } from '../../options/index.js'
import { sourceBy, type Lists, type SourceContext, type TargetSource } from './source.js'
import { targetsIn } from './target-list.js'

/**
 * The targets in a JSON file, which is an array of them. It is watched: there is a list when they have changed.
 *
 * @param path Is relative to the working directory.
 * @param times For tests.
 */
export function fileSource (path: string, times?: WatchTimes): TargetSource {
  const file = resolve(path)
  return sourceBy(context => listsIn(file, context, times))
}

async function * listsIn (file: string, { signal, report }: SourceContext, times: WatchTimes | undefined): Lists {
  if (signal.aborted) return
  const changes = new Changes(file, signal, times)
  let last: readonly TargetOptions[] | undefined
  while (!signal.aborted) {
    const targets = await read(file, signal).catch((error: Error) => error)
    if (signal.aborted) return
    if (targets instanceof Error) report(targets)
    else if (!isDeepStrictEqual(targets, last)) yield (last = targets)
    await changes.next()
  }
}

/** @throws {Error} naming the file, and what is wrong with it. */
async function read (file: string, signal: AbortSignal): Promise<readonly TargetOptions[]> {
  const text = await readFile(file, { encoding: 'utf8', signal })
    .catch((error: Error) => { throw new Error(`the targets in '${file}' could not be read: ${error.message}`) })
  try {
    return targetsIn(text)
  } catch (error) {
    throw new Error(`the targets in '${file}' could not be determined: ${(error as Error).message}`)
  }
}

/** The changes of a file from now on, also those that come while nobody waits. */
class Changes {
  readonly #signal: AbortSignal
  #isDue = false
  #wake: (() => void) | undefined

  constructor (file: string, signal: AbortSignal, times: WatchTimes | undefined) {
    this.#signal = signal
    const unwatch = watchFiles([file], Date.now(), () => {
      this.#isDue = true
      this.#wake?.()
    }, times)
    signal.addEventListener('abort', () => {
      unwatch()
      this.#wake?.()
    }, { once: true })
  }

  /** Resolves after a change, or with the end. */
  async next (): Promise<void> {
    if (!this.#isDue && !this.#signal.aborted) await new Promise<void>(resolve => { this.#wake = resolve })
    this.#isDue = false
  }
}
