import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node, type Pair } from 'yaml'
import { yamlProblems, yamlValuesFault } from './errors.js'
import { replaceVariables, type Variables } from './variables.js'

/** Where something is written. */
export interface Position {
  /** The number of the file, in the order in which they were read. */
  file: number
  offset: number
  /** For people: 'sluice.yaml:7:5'. */
  text: string
}

/** Where a value is written, and what it is made of. */
export interface Place {
  at: Position
  /** Where its name is written; that of an item of a list is the item itself. */
  name: Position
  /** Whether an environment variable is a part of it. */
  isVariable: boolean
  children: Map<string, Place>
}

/** One thing wrong, and where. */
export interface WrittenProblem {
  at: Position
  message: string
}

/** What a file holds. */
export interface Written {
  /** Undefined for an empty file, or one that cannot be read. */
  value: unknown
  place: Place
  problems: WrittenProblem[]
}

/** The name by which one mapping takes in others. */
const MERGE = '<<'

/**
 * Reads the YAML of a file: with anchors and aliases, merge keys, and variables of the environment.
 *
 * @param file Its number, and its name in errors.
 * @param variables Undefined for a file in which `${` stands for itself.
 */
export function readYaml (text: string, file: { number: number, name: string }, variables: Variables | undefined): Written {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true })
  const reader = new Reader(document, variables, offset => {
    const { line, col } = lines.linePos(offset)
    // An error at the very beginning of an empty file has line 0.
    return { file: file.number, offset, text: `${file.name}:${Math.max(line, 1)}:${Math.max(col, 1)}` }
  })
  return reader.read(text)
}

class Reader {
  readonly #document: Document.Parsed
  readonly #variables: Variables | undefined
  readonly #at: (offset: number) => Position
  readonly #problems: WrittenProblem[] = []

  constructor (document: Document.Parsed, variables: Variables | undefined, at: (offset: number) => Position) {
    this.#document = document
    this.#variables = variables
    this.#at = at
  }

  read (text: string): Written {
    const top = this.#at(0)
    const nothing = (problems: WrittenProblem[]): Written => ({ value: undefined, place: placeAt(top), problems })
    const syntax = yamlProblems(this.#document, text)
    if (syntax.length > 0) return nothing(syntax.map(({ offset, message }) => ({ at: this.#at(offset), message })))
    try {
      // The library's guard against files whose aliases multiply ('billion laughs'), which what follows does not have.
      if (this.#document.toJS() === null) return nothing([])
    } catch (error) {
      return nothing([{ at: top, message: yamlValuesFault(error) }])
    }
    const { contents } = this.#document
    const { value, place } = this.#value(contents, this.#at(start(contents) ?? 0))
    return { value, place, problems: this.#problems }
  }

  #value (node: Node | null, fallback: Position): { value: unknown, place: Place } {
    const offset = start(node)
    // 'upstreams:' with nothing behind it has a value without text: its name is the better place.
    const isMissing = offset === undefined || (isScalar(node) && node.source === '')
    const at = isMissing ? fallback : this.#at(offset)
    if (isAlias(node)) {
      const { value, place } = this.#value(node.resolve(this.#document) ?? null, at)
      return { value, place: { ...place, at } }
    }
    const place = placeAt(at)
    if (isMap(node)) return { value: this.#map(node.items as Pair[], place), place }
    if (isSeq(node)) {
      const items = node.items.map((item, index) => {
        const inner = this.#value(item as Node, at)
        place.children.set(String(index), { ...inner.place, name: inner.place.at })
        return inner.value
      })
      return { value: items, place }
    }
    if (!isScalar(node) || typeof node.value !== 'string') return { value: isScalar(node) ? node.value : null, place }
    if (this.#variables === undefined) return { value: node.value, place }
    const { text, isVariable, problem } = replaceVariables(node.value, this.#variables)
    if (problem !== undefined) this.#problems.push({ at, message: problem })
    place.isVariable = isVariable
    return { value: text, place }
  }

  #map (pairs: readonly Pair[], place: Place): object {
    const map = {}
    const own = pairs.filter(({ key }) => !isMerge(key))
    // What a mapping has itself wins over what it takes in, and of that the first.
    for (const { value } of pairs.filter(({ key }) => isMerge(key))) {
      for (const [name, [item, placeOfItem]] of this.#merged(value as Node)) if (!Object.hasOwn(map, name)) set(map, place, name, item, placeOfItem)
    }
    for (const { key, value } of own) {
      const name = this.#at(start(key as Node) ?? 0)
      const inner = this.#value(value as Node | null, name)
      set(map, place, String(isScalar(key) ? key.value : key), inner.value, { ...inner.place, name })
    }
    return map
  }

  /** The entries of the mappings behind a merge key: one, or a list of them. */
  * #merged (node: Node | null): Iterable<[string, [unknown, Place]]> {
    const resolved = isAlias(node) ? node.resolve(this.#document) ?? null : node
    if (isSeq(resolved)) {
      for (const item of resolved.items) yield * this.#merged(item as Node)
      return
    }
    if (!isMap(resolved)) return
    const { value, place } = this.#value(resolved, this.#at(start(resolved) ?? 0))
    for (const [name, item] of Object.entries(value as object)) yield [name, [item, place.children.get(name)!]]
  }
}

function isMerge (key: unknown): boolean {
  return isScalar(key) && (key.value === MERGE || typeof key.value === 'symbol')
}

function set (map: object, place: Place, name: string, value: unknown, placeOfValue: Place): void {
  // As a name of its own, even if it is __proto__.
  Object.defineProperty(map, name, { value, enumerable: true, configurable: true, writable: true })
  place.children.set(name, placeOfValue)
}

export function placeAt (at: Position): Place {
  return { at, name: at, isVariable: false, children: new Map() }
}

/** The place of the value at a path, or of what is nearest to it. */
export function placeOf (root: Place, path: readonly string[]): { place: Place, isThere: boolean } {
  let place = root
  for (const name of path) {
    const inner = place.children.get(name)
    if (inner === undefined) return { place, isThere: false }
    place = inner
  }
  return { place, isThere: true }
}

function start (node: Node | null | undefined): number | undefined {
  return node?.range?.[0]
}
