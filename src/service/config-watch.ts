import { isDeepStrictEqual } from 'node:util'
import { watchFiles } from '../net/watched-files.js'
import type { Settings } from './settings.js'

/** Reads the settings, and tells of each file on which they depend, also where that fails. */
export type Read = (onFile?: (path: string) => void) => Promise<Settings>

/** Watches the files of a configuration: those that were read the last time, whatever came of it. */
export class ConfigWatch {
  readonly #isWanted: boolean
  readonly #onChange: () => void
  #files: readonly string[] = []
  #end: (() => void) | undefined
  #isClosed = false

  constructor (isWanted: boolean, onChange: () => void) {
    this.#isWanted = isWanted
    this.#onChange = onChange
  }

  /** Reads the settings. From then on, what they were read from is watched. */
  async during (read: Read): Promise<Settings> {
    const since = Date.now()
    const files = new Set<string>()
    try {
      return await read(path => files.add(path))
    } finally {
      this.#watch([...files], since)
    }
  }

  close (): void {
    this.#isClosed = true
    this.#end?.()
  }

  #watch (files: readonly string[], since: number): void {
    if (!this.#isWanted || this.#isClosed || files.length === 0 || isDeepStrictEqual(files, this.#files)) return
    this.#files = files
    this.#end?.()
    this.#end = watchFiles(files, since, this.#onChange)
  }
}
