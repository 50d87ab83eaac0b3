import { parseArgs } from 'node:util'
import { UsageError } from '../errors.js'
import { nearest } from '../options/did-you-mean.js'
import { LogLevel } from '../options/index.js'

/** What the command line said; what it did not say is undefined. */
export interface Arguments {
  /** The target of everything. */
  url?: string
  /** Path of the configuration file. */
  config?: string
  host?: string
  port?: number
  logLevel?: LogLevel
  /** Folder of the user's plugins. */
  plugins?: string
  /** Folder of the user's routes. */
  routes?: string
  help?: boolean
  version?: boolean
}

const OPTIONS = {
  config: { type: 'string', short: 'c' },
  host: { type: 'string' },
  port: { type: 'string', short: 'p' },
  'log-level': { type: 'string' },
  plugins: { type: 'string' },
  routes: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' }
} as const

type OptionName = keyof typeof OPTIONS

/**
 * Reads the command line, without the program's own name.
 *
 * @throws {UsageError} naming the argument that is not understood.
 */
export function parseArguments (argv: string[]): Arguments {
  // Not strict, because parseArgs' own errors neither suggest an option nor say which values are right.
  const { tokens } = parseArgs({ args: argv, options: OPTIONS, strict: false, tokens: true })
  const given = new Map<OptionName, string>()
  const positionals: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const { name, rawName } = token
    if (!isOption(name)) throw new UsageError(unknownOption(rawName))
    if (given.has(name)) throw new UsageError(`Option '${rawName}' is given twice.`)
    given.set(name, optionValue(name, rawName, token.value, token.inlineValue === true))
  }
  const [url, second] = positionals
  if (second !== undefined) {
    throw new UsageError(`Unexpected argument '${second}': there is one URL at most, and '${url}' is it. Several targets need a configuration file (--config).`)
  }
  if (url !== undefined && given.has('config')) {
    throw new UsageError(`Both a URL ('${url}') and --config are given. Leave one of them out.`)
  }
  return withoutUndefined({
    url,
    config: given.get('config'),
    host: given.get('host'),
    port: given.has('port') ? readPort(given.get('port')!) : undefined,
    logLevel: given.has('log-level') ? readLogLevel(given.get('log-level')!) : undefined,
    plugins: given.get('plugins'),
    routes: given.get('routes'),
    help: given.has('help') ? true : undefined,
    version: given.has('version') ? true : undefined
  })
}

function isOption (name: string): name is OptionName {
  return Object.hasOwn(OPTIONS, name)
}

function unknownOption (rawName: string): string {
  const suggestion = nearest(rawName, Object.keys(OPTIONS).map(name => `--${name}`))
  return `There is no option '${rawName}'.${suggestion === undefined ? '' : ` Did you mean '${suggestion}'?`}`
}

function optionValue (name: OptionName, rawName: string, value: string | undefined, inline: boolean): string {
  if (OPTIONS[name].type === 'boolean') {
    if (value !== undefined) throw new UsageError(`Option '${rawName}' takes no value.`)
    return ''
  }
  // '--port --host 0.0.0.0' is a forgotten value, '--port=-1' a strange one.
  if (value === undefined || value === '' || (!inline && value.startsWith('-'))) {
    throw new UsageError(`Option '${rawName}' needs a value.`)
  }
  return value
}

function readPort (text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > 65535) {
    throw new UsageError(`Option '--port' must be an integer from 0 to 65535, it is '${text}'.`)
  }
  return port
}

function readLogLevel (text: string): LogLevel {
  const level = LogLevel.anyOf.find(candidate => candidate.const === text)
  if (level === undefined) {
    throw new UsageError(`Option '--log-level' must be one of ${LogLevel.anyOf.map(known => known.const).join(', ')}, it is '${text}'.`)
  }
  return level.const
}

function withoutUndefined (all: { [Key in keyof Arguments]: Arguments[Key] | undefined }): Arguments {
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}
