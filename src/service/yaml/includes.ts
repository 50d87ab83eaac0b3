import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join } from 'node:path'

/**
 * The files that an entry of `include` means: one, or those of a folder whose names fit a pattern with `*`, sorted.
 *
 * @param entry Relative to the file that includes it.
 * @param from The name of that file.
 * @param locate Gives the place of a name in the file system.
 * @returns The files; and the folder, if which ones there are may change.
 * @throws {Error} in words, if it cannot mean any.
 */
export async function filesOf (entry: string, from: string, locate: (name: string) => string): Promise<{ names: string[], folder: string | undefined }> {
  const name = isAbsolute(entry) ? entry : join(dirname(from), entry)
  const [folder, pattern] = [dirname(name), basename(name)]
  if (folder.includes('*')) throw new Error("only the last part of a path may have a '*'")
  if (!pattern.includes('*')) return { names: [name], folder: undefined }
  const found = await stat(locate(folder)).catch(() => undefined)
  if (found?.isDirectory() !== true) throw new Error(`there is no folder ${folder}`)
  const names = (await readdir(locate(folder))).filter(one => fits(one, pattern)).sort()
  return { names: names.map(one => join(folder, one)), folder }
}

/** Whether a name fits a pattern in which `*` stands for any characters. As in a shell, a hidden file has to be named. */
export function fits (name: string, pattern: string): boolean {
  if (name.startsWith('.') && !pattern.startsWith('.')) return false
  const [first = '', ...others] = pattern.split('*')
  if (!name.startsWith(first)) return false
  const last = others.pop()
  if (last === undefined) return name === pattern
  let at = first.length
  for (const part of others) {
    const found = name.indexOf(part, at)
    if (found === -1) return false
    at = found + part.length
  }
  return name.length - last.length >= at && name.endsWith(last)
}
