import { parseArgs } from 'node:util'
import { UsageError } from '../errors.js'
import { nearest } from '../options/did-you-mean.js'
import { LogLevel } from '../options/index.js'

/** What the command line said; what it did not say is undefined. */
export interface Arguments {
  /** What else than to serve is to be done. */
  command?: CommandName
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
  /** Whether there is an admin listener. */
  admin?: boolean
  /** How many worker processes there are. */
  workers?: number | 'auto'
  /** Whether the sessions of workers that are replaced go on. */
  keepSessions?: boolean
  /** Whether a configuration file that changes is put in force. */
  watch?: boolean
  /** File for the process id of the service. */
  pidFile?: string
  /** Process id of the service that is to reload or to restart. */
  pid?: number
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
  admin: { type: 'boolean' },
  workers: { type: 'string' },
  'keep-sessions': { type: 'boolean' },
  watch: { type: 'boolean', short: 'w' },
  'pid-file': { type: 'string' },
  pid: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' }
} as const

type OptionName = keyof typeof OPTIONS

/**
 * Writes a configuration to begin with; checks one; shows its routes; has the service that runs put its own in force
 * again, or replace its workers.
 */
export type CommandName = 'init' | 'check' | 'routes' | 'reload' | 'restart'

/** What each command takes. */
const COMMANDS: { readonly [name in CommandName]: readonly OptionName[] } = {
  init: ['help'],
  routes: ['config', 'plugins', 'routes', 'help'],
  check: ['config', 'host', 'port', 'log-level', 'plugins', 'routes', 'help'],
  reload: ['pid', 'pid-file', 'help'],
  restart: ['pid', 'pid-file', 'keep-sessions', 'help']
}

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
  const command = Object.hasOwn(COMMANDS, positionals[0] ?? '') ? positionals.shift() as CommandName : undefined
  for (const name of given.keys()) {
    if (command !== undefined && !COMMANDS[command].includes(name)) throw new UsageError(`'sluice ${command}' takes no option '--${name}'.`)
    if (command === undefined && name === 'pid') throw new UsageError("Option '--pid' belongs to 'sluice reload' and 'sluice restart'.")
    if (command === undefined && name === 'keep-sessions') throw new UsageError("Option '--keep-sessions' belongs to 'sluice restart'.")
  }
  if (command !== undefined) positionalOf(command, positionals, given)
  const [url, second] = positionals
  if (second !== undefined) {
    throw new UsageError(`Unexpected argument '${second}': there is one URL at most, and '${url}' is it. Several targets need a configuration file (--config).`)
  }
  if (url !== undefined && given.has('config')) {
    throw new UsageError(`Both a URL ('${url}') and --config are given. Leave one of them out.`)
  }
  return withoutUndefined({
    command,
    url,
    config: given.get('config'),
    host: given.get('host'),
    port: given.has('port') ? readPort(given.get('port')!) : undefined,
    logLevel: given.has('log-level') ? readLogLevel(given.get('log-level')!) : undefined,
    plugins: given.get('plugins'),
    routes: given.get('routes'),
    admin: given.has('admin') ? true : undefined,
    workers: given.has('workers') ? readWorkers(given.get('workers')!) : undefined,
    keepSessions: given.has('keep-sessions') ? true : undefined,
    watch: given.has('watch') ? true : undefined,
    pidFile: given.get('pid-file'),
    pid: given.has('pid') ? readPid(given.get('pid')!) : undefined,
    help: given.has('help') ? true : undefined,
    version: given.has('version') ? true : undefined
  })
}

/** 'sluice check FILE' is 'sluice check --config FILE', and so are the others that take a file. */
function positionalOf (command: CommandName, positionals: string[], given: Map<OptionName, string>): void {
  const [first, second] = positionals.splice(0)
  const unexpected = command === 'reload' || command === 'restart' ? first : second
  if (unexpected !== undefined) throw new UsageError(`Unexpected argument '${unexpected}' of 'sluice ${command}'.`)
  if (first === undefined) return
  if (given.has('config')) throw new UsageError(`Both a file ('${first}') and --config are given. Leave one of them out.`)
  given.set('config', first)
}

function readPid (text: string): number {
  if (!/^[1-9]\d{0,9}$/.test(text)) throw new UsageError(`Option '--pid' must be the id of a process, got '${text}'.`)
  return Number(text)
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
    throw new UsageError(`Option '--port' must be an integer from 0 to 65535, got '${text}'.`)
  }
  return port
}

function readWorkers (text: string): number | 'auto' {
  const workers = Number(text)
  if (text !== 'auto' && (!/^\d+$/.test(text) || workers < 1 || workers > 1024)) {
    throw new UsageError(`Option '--workers' must be an integer from 1 to 1024, or auto, got '${text}'.`)
  }
  return text === 'auto' ? text : workers
}

function readLogLevel (text: string): LogLevel {
  const level = LogLevel.anyOf.find(candidate => candidate.const === text)
  if (level === undefined) {
    throw new UsageError(`Option '--log-level' must be one of ${LogLevel.anyOf.map(known => known.const).join(', ')}, got '${text}'.`)
  }
  return level.const
}

function withoutUndefined (all: { [Key in keyof Arguments]: Arguments[Key] | undefined }): Arguments {
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}
