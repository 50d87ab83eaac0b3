import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node } from 'yaml'
import { ConfigInvalidError } from '../errors.js'
import type { GatewayConfig } from '../options/index.js'
import { configProblems } from './config.js'
import { placeKey, type Places } from './places.js'
import { yamlProblems, yamlValuesFault } from './yaml-errors.js'

/** A configuration file that has been read and found valid. */
export interface ConfigFile {
  config: GatewayConfig
  /** Where its parts are written, for errors that turn up later; undefined where it comes from no file. */
  places: Places | undefined
}

/**
 * Reads a configuration file.
 *
 * @param path Relative to `directory`; errors show it as it is.
 * @param openEnded Whether plugins may declare further upstreams, so that an unknown name is no error yet.
 * @throws {ConfigInvalidError} with one line 'file:line:column: path: message' for every problem.
 */
export async function readConfigFile (path: string, openEnded: boolean, directory: string): Promise<ConfigFile> {
  let text: string
  try {
    text = await readFile(resolve(directory, path), 'utf8')
  } catch (error) {
    throw new ConfigInvalidError(`${path}: cannot be read: ${reason(error as NodeJS.ErrnoException)}`)
  }
  return parseConfig(text, path, openEnded)
}

/** The same for the text of a configuration file; `file` is its name in errors. */
export function parseConfig (text: string, file: string, openEnded: boolean): ConfigFile {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    // An error at the very beginning of an empty file has line 0.
    return `${file}:${Math.max(line, 1)}:${Math.max(col, 1)}`
  }

  const syntax = yamlProblems(document, text)
  if (syntax.length > 0) {
    throw new ConfigInvalidError(syntax.map(({ offset, message }) => `${at(offset)}: ${message}`).join('\n'))
  }
  const config = values(document, at(0))
  if (config === null) {
    throw new ConfigInvalidError(`${at(0)}: the file is empty; it must have a mapping with 'upstreams' and 'routes'`)
  }

  const found = configProblems(config, openEnded)
    .map(({ path, message, unknownName }) => ({ path, message, offset: offsetOf(document, path, unknownName) }))
    .sort((one, other) => one.offset - other.offset)
  if (found.length > 0) {
    throw new ConfigInvalidError(found.map(({ path, message, offset }) =>
      [at(offset), ...pathText(path), message].join(': ')).join('\n'))
  }
  return { config: config as GatewayConfig, places: placesOf(document, config, at) }
}

function placesOf (document: Document.Parsed, config: unknown, at: (offset: number) => string): Places {
  const places = new Map<string, string>()
  const note = (value: unknown, path: string[]): void => {
    places.set(placeKey(path), at(offsetOf(document, path)))
    if (typeof value === 'object' && value !== null) for (const [key, inner] of Object.entries(value)) note(inner, [...path, key])
  }
  note(config, [])
  return places
}

/** The document as plain values; null for an empty one. */
function values (document: Document.Parsed, beginning: string): unknown {
  try {
    return document.toJS()
  } catch (error) {
    // The library's guard against files whose aliases multiply ('billion laughs').
    throw new ConfigInvalidError(`${beginning}: ${yamlValuesFault(error)}`)
  }
}

/**
 * Where the value at `path` begins. For a missing value that is where its parent begins.
 *
 * @param ofName The place of the last key itself, not of its value.
 */
function offsetOf (document: Document.Parsed, path: string[], ofName = false): number {
  let node: Node | null = document.contents
  let offset = start(node) ?? 0
  for (const [index, key] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document) ?? null
    if (isMap(node)) {
      const pair = node.items.find(({ key: name }) => String(isScalar(name) ? name.value : name) === key)
      if (pair === undefined) return offset
      const value = pair.value as Node | null
      // 'upstreams:' with nothing behind it has a value without text: its name is the better place.
      const named = (ofName && index === path.length - 1) || (isScalar(value) && value.source === '')
      offset = start(named ? pair.key as Node : value) ?? offset
      node = value
    } else if (isSeq(node)) {
      node = node.items[Number(key)] as Node | undefined ?? null
      offset = start(node) ?? offset
    }
  }
  return offset
}

function start (node: Node | null): number | undefined {
  return node?.range?.[0]
}

function pathText (path: string[]): string[] {
  return path.length === 0 ? [] : [path.join('.')]
}

function reason ({ code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'ENOENT': return 'there is no such file'
    case 'EISDIR': return 'it is a directory'
    case 'EACCES': return 'permission denied'
    default: return message
  }
}
