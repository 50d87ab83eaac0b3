import { readFile } from 'node:fs/promises'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { ConfigInvalidError } from '../errors.js'
import { GatewayConfig } from '../options/index.js'
import { isMapping } from '../options/mapping.js'
import { withQuantities } from '../options/quantities.js'
import { configProblems } from './config.js'
import { placeKey, type Places } from './places.js'
import { schemaOf, schemaPaths } from './schema-files.js'
import { filesOf } from './yaml/includes.js'
import { placeAt, placeOf, readYaml, type Place, type Position, type Written, type WrittenProblem } from './yaml/written.js'
import type { Variables } from './yaml/variables.js'

/** A configuration file that has been read and found valid. */
export interface ConfigFile {
  config: GatewayConfig
  /** Where its parts are written, for errors that turn up later; undefined where it comes from no file. */
  places: Places | undefined
}

/** How a configuration file is read. */
export interface ReadOptions {
  /** Whether plugins may declare further upstreams, so that an unknown name is no error yet. */
  openEnded: boolean
  /** The folder from which paths count. */
  directory: string
  /** What `${NAME}` stands for. */
  variables?: Variables
  /** Is told of each file that is read, and of each folder whose files are, by its whole path: also where that fails. */
  onFile?: (path: string) => void
}

/** How deep files may include each other. */
const DEEPEST = 10

/** Options that files which include each other add up; every other one may stand in one of them. */
const LISTS: ReadonlySet<string> = new Set(['routes', 'upstreams'])

/**
 * Reads a configuration file, and those that it includes.
 *
 * @param path Relative to `directory`; errors show it as it is.
 * @throws {ConfigInvalidError} with one line 'file:line:column: path: message' for every problem.
 */
export async function readConfigFile (path: string, options: ReadOptions): Promise<ConfigFile> {
  const reader = new ConfigReader(options)
  await reader.add(path, undefined)
  await reader.addSchemas()
  return reader.finish()
}

/** The same for the text of a configuration file that includes no other; `file` is its name in errors. */
export function parseConfig (text: string, file: string, openEnded: boolean, variables: Variables = {}): ConfigFile {
  const reader = new ConfigReader({ openEnded, directory: '', variables })
  reader.take(readYaml(text, { number: 0, name: file }, variables))
  return reader.finish()
}

/** Puts a configuration together from files. */
class ConfigReader {
  readonly #options: ReadOptions
  readonly #problems: WrittenProblem[] = []
  readonly #config: Record<string, unknown> = {}
  /** Of the whole: the top of the first file. */
  #root: Place | undefined
  /** Their names, in the order in which they were read. */
  readonly #files: string[] = []
  /** What stands in the place of the whole, where a file is no mapping. */
  #instead: unknown

  constructor (options: ReadOptions) {
    this.#options = options
  }

  /**
   * Reads a file and those that it includes.
   *
   * @param from Where it is included; undefined for the first one.
   * @param chain The files that include it.
   */
  async add (name: string, from: Position | undefined, chain: readonly string[] = []): Promise<void> {
    const { directory, variables = {}, onFile } = this.#options
    const path = resolve(directory, name)
    const wrong = (message: string): void => {
      if (from === undefined) throw new ConfigInvalidError(`${name}: ${message}`)
      this.#problems.push({ at: from, message: `include: ${name}: ${message}` })
    }
    if (chain.includes(path)) return wrong('it includes itself; remove one of the two')
    if (chain.length > DEEPEST) return wrong(`more than ${DEEPEST} files include each other; write them flatter`)
    onFile?.(path)
    let text: string
    try {
      text = await readFile(path, 'utf8')
    } catch (error) {
      return wrong(`cannot be read: ${reason(error as NodeJS.ErrnoException)}`)
    }
    const written = readYaml(text, { number: this.#files.push(name) - 1, name }, variables)
    const entries = this.take(written)
    for (const [entry, at] of entries) {
      try {
        const { names, folder } = await filesOf(entry, name, name => resolve(directory, name))
        if (folder !== undefined) onFile?.(resolve(directory, folder))
        for (const included of names) await this.add(included, at, [...chain, path])
      } catch (error) {
        if (error instanceof ConfigInvalidError) throw error
        this.#problems.push({ at, message: `include: ${(error as Error).message}` })
      }
    }
  }

  /** Puts schemas in the place of the paths of their files, which count from the file that names them. */
  async addSchemas (): Promise<void> {
    const { directory, onFile } = this.#options
    const known = new Map<string, Written>()
    for (const { path, rules } of schemaPaths(this.#config)) {
      const { place } = placeOf(this.#root!, path)
      const name = isAbsolute(rules.schema) ? rules.schema : join(dirname(this.#files[place.at.file]!), rules.schema)
      let written = known.get(name)
      if (written === undefined) {
        const file = resolve(directory, name)
        onFile?.(file)
        try {
          written = schemaOf(await readFile(file, 'utf8'), { number: this.#files.push(name) - 1, name })
        } catch (error) {
          this.#problems.push({ at: place.at, message: `${path.join('.')}: ${name}: cannot be read: ${reason(error as NodeJS.ErrnoException)}` })
          continue
        }
        this.#problems.push(...written.problems)
        known.set(name, written)
      }
      Object.assign(rules, { schema: written.value })
      // What is wrong in a schema has its place in that file.
      place.children = written.place.children
    }
  }

  /** Takes in what a file holds. @returns What it includes, and where it says so. */
  take ({ value, place, problems }: Written): Array<[string, Position]> {
    this.#problems.push(...problems)
    const isFirst = this.#root === undefined
    this.#root ??= placeAt(place.at)
    if (value === undefined) {
      // A file that is included may be empty, as a template makes it.
      if (isFirst && problems.length === 0) this.#problems.push({ at: place.at, message: "the file is empty; it must have a mapping with 'upstreams' and 'routes'" })
      return []
    }
    if (!isMapping(value)) {
      if (isFirst) this.#instead = value
      else this.#problems.push({ at: place.at, message: "the file must have a mapping, such as one with 'upstreams' and 'routes'" })
      return []
    }
    const includes: Array<[string, Position]> = []
    for (const [name, item] of Object.entries(value)) {
      // Room for what is used by its anchor.
      if (name.startsWith('x-')) continue
      const inner = place.children.get(name)!
      if (name === 'include') includes.push(...this.#includesOf(item, inner))
      else this.#set(name, item, inner)
    }
    return includes
  }

  #includesOf (value: unknown, place: Place): Array<[string, Position]> {
    return [value].flat().flatMap((entry, index): Array<[string, Position]> => {
      const at = (place.children.get(String(index)) ?? place).at
      if (typeof entry === 'string' && entry !== '') return [[entry, at]]
      this.#problems.push({ at, message: 'include: must be the path of a file, or a list of paths' })
      return []
    })
  }

  #set (name: string, value: unknown, place: Place): void {
    const { children } = this.#root!
    const before = children.get(name)
    if (before === undefined) {
      define(this.#config, name, value)
      children.set(name, place)
      return
    }
    const there = this.#config[name]
    const add = (key: string, inner: string): void => {
      children.get(name)!.children.set(key, place.children.get(inner)!)
    }
    if (!LISTS.has(name) || typeof there !== 'object' || there === null || typeof value !== 'object' || value === null || Array.isArray(there) !== Array.isArray(value)) {
      this.#problems.push({ at: place.name, message: `${name}: it is set at ${before.name.text} already; remove one of the two` })
    } else if (Array.isArray(there)) {
      // The file that was read before is not to change.
      this.#config[name] = [...there as unknown[], ...value as unknown[]]
      for (const index of (value as unknown[]).keys()) add(String(there.length + index), String(index))
    } else {
      const all = { ...there } as Record<string, unknown>
      for (const [key, item] of Object.entries(value)) {
        const earlier = before.children.get(key)
        if (earlier === undefined) {
          define(all, key, item)
          add(key, key)
        } else {
          this.#problems.push({ at: place.children.get(key)!.name, message: `${name}.${key}: it is set at ${earlier.name.text} already; remove one of the two` })
        }
      }
      this.#config[name] = all
    }
  }

  /** @throws {ConfigInvalidError} for what was wrong in any file, or is wrong with the whole. */
  finish (): ConfigFile {
    const root = this.#root!
    if (this.#problems.length > 0 && this.#instead === undefined) throw errorOf(this.#problems)
    const { value, problems } = withQuantities(GatewayConfig, this.#instead ?? this.#config, path => placeOf(root, path).place.isVariable)
    const quantities = new Set(problems.map(({ path }) => placeKey(path)))
    const found = [...problems, ...configProblems(value, this.#options.openEnded).filter(({ path }) => !quantities.has(placeKey(path)))]
      .map(({ path, message, ...problem }) => {
        const { place, isThere } = placeOf(root, path)
        const at = 'unknownName' in problem && isThere ? place.name : place.at
        return { at, message: [...path.length === 0 ? [] : [path.join('.')], message].join(': ') }
      })
    if (found.length > 0) throw errorOf([...this.#problems, ...found])
    return { config: value as GatewayConfig, places: placesOf(root) }
  }
}

/** A line for each problem, in the order of the files. */
function errorOf (problems: readonly WrittenProblem[]): Error {
  const sorted = [...problems].sort(({ at: one }, { at: other }) => one.file - other.file || one.offset - other.offset)
  return new ConfigInvalidError(sorted.map(({ at, message }) => `${at.text}: ${message}`).join('\n'))
}

function placesOf (root: Place): Places {
  const places = new Map<string, string>()
  const note = ({ at, children }: Place, path: string[]): void => {
    places.set(placeKey(path), at.text)
    for (const [name, inner] of children) note(inner, [...path, name])
  }
  note(root, [])
  return places
}

function define (object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
}

function reason ({ code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'ENOENT': return 'there is no such file'
    case 'EISDIR': return 'it is a directory'
    case 'EACCES': return 'permission denied'
    default: return message
  }
}
