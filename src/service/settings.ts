import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { isLoopback } from '../admin/options.js'
import { ConfigInvalidError, TargetMalformedError, UsageError } from '../errors.js'
import type { GatewayConfig } from '../options/index.js'
import { parseTarget } from '../net/target-address.js'
import type { Arguments } from './arguments.js'
import type { AppParts } from './app.js'
import { readConfigFile, type ConfigFile, type ReadOptions } from './config-file.js'
import type { Environment } from './environment.js'
import { withAddress } from './listeners.js'
import { locateIn, type Places } from './places.js'

/** What the service is to do, from all its sources. Another process can get it. */
export interface Settings {
  config: GatewayConfig
  /** Where the parts of the configuration are written; undefined where it comes from no file. */
  places: Places | undefined
  /** The configuration file, if there is one: its whole path. */
  file?: string
  /** Nothing is configured: the embedded demo is served. */
  demo: boolean
  /** What is to be said in the log about where the settings come from. */
  notes: string[]
  plugins?: string
  routes?: string
}

/**
 * Puts the sources together: the command line wins over the environment, that over the configuration file. `sluice.yaml` in the working
 * directory is used where nothing else says what to serve.
 *
 * @throws {UsageError} for a URL on the command line that is not a valid target.
 * @throws {ConfigInvalidError} for what is wrong in the environment or in the file.
 */
export async function resolveSettings (args: Arguments, environment: Environment, directory: string, reading: Reading = {}): Promise<Settings> {
  const folders = {
    ...args.plugins !== undefined && { plugins: resolve(directory, args.plugins) },
    ...args.routes !== undefined && { routes: resolve(directory, args.routes) }
  }
  const hasFolders = Object.keys(folders).length > 0
  const source = await whatToServe(args, environment, { ...reading, directory, openEnded: hasFolders }) ?? (hasFolders ? undefined : await fileOfFolder({ ...reading, directory, openEnded: false }))
  const { config, places } = source ?? { config: {}, places: undefined }

  const demo = source === undefined && !hasFolders
  const notes = source?.found === undefined ? [] : [`The configuration is ${source.found}, found in the working directory.`]
  let host = args.host ?? environment.HOST
  if (demo && host !== undefined && !isLoopback(host)) {
    notes.push(`The demo listens on 127.0.0.1 only, not on ${host}. Name an upstream to listen there.`)
    host = undefined
  }
  const port = args.port ?? environment.PORT
  const admin = adminOf(args, environment, config.admin)
  const workers = args.workers ?? environment.WORKERS ?? config.workers
  const logLevel = args.logLevel ?? environment.LOG_LEVEL ?? config.logLevel
  return {
    config: {
      ...config,
      listen: withAddress(config, { ...host !== undefined && { host }, ...port !== undefined && { port } }),
      ...logLevel !== undefined && { logLevel },
      ...workers !== undefined && { workers },
      ...admin !== undefined && { admin }
    },
    places,
    demo,
    notes,
    ...source?.file !== undefined && { file: source.file },
    ...folders
  }
}

/** The command line or the environment opens the admin listener, and the environment gives it a token. */
function adminOf (args: Arguments, { ADMIN, ADMIN_TOKEN: token }: Environment, configured: GatewayConfig['admin']): GatewayConfig['admin'] {
  const asked = args.admin ?? (ADMIN === undefined ? undefined : ADMIN === 'true')
  if (asked === false) return false
  const admin = asked === true && typeof configured !== 'object' ? true : configured
  if (token === undefined || admin === undefined || admin === false) return admin
  return { token, ...admin !== true && admin }
}

/** A configuration and where it comes from. */
interface Served extends ConfigFile {
  /** The path of its file. */
  file?: string
  /** Its file's name, where nobody has named it. */
  found?: string
}

async function served (path: string, options: ReadOptions): Promise<Served> {
  return { ...await readConfigFile(path, options), file: resolve(options.directory, path) }
}

/** The configuration that the first source gives which names one; undefined when none does. */
async function whatToServe (args: Arguments, environment: Environment, options: ReadOptions): Promise<Served | undefined> {
  if (args.url !== undefined) return everythingTo(args.url, message => new UsageError(message))
  // The path stays as it was given, for errors; it counts from the working directory.
  if (args.config !== undefined) return served(args.config, options)
  const { UPSTREAM_URL: url, CONFIG_FILE: file } = environment
  for (const [name, value] of Object.entries({ UPSTREAM_URL: url, CONFIG_FILE: file })) {
    // Whatever was to fill it in has failed, and it must not publish something else.
    if (value === '') throw new ConfigInvalidError(`Environment variable ${name} is empty. Give it a value, or unset it.`)
  }
  if (url !== undefined && file !== undefined) {
    throw new ConfigInvalidError(`Both UPSTREAM_URL ('${url}') and CONFIG_FILE ('${file}') are set. Unset one of them.`)
  }
  if (url !== undefined) return everythingTo(url, message => new ConfigInvalidError(`Environment variable UPSTREAM_URL: ${message}`))
  if (file !== undefined) return served(file, options)
  return undefined
}

/** How files are read: `${NAME}` stands for these variables, and somebody may want to know of the files. */
export type Reading = Pick<ReadOptions, 'variables' | 'onFile'>

/** The configuration file that is used where nothing else is named. */
export const DEFAULT_FILE = 'sluice.yaml'

/** The file in the working directory; undefined if there is none. */
async function fileOfFolder (options: ReadOptions): Promise<Served | undefined> {
  if (!existsSync(resolve(options.directory, DEFAULT_FILE))) return undefined
  return { ...await served(DEFAULT_FILE, options), found: DEFAULT_FILE }
}

/** The configuration of `sluice URL`. */
function everythingTo (url: string, wrong: (message: string) => Error): ConfigFile {
  try {
    parseTarget(url)
  } catch (error) {
    throw error instanceof TargetMalformedError ? wrong(error.message) : error
  }
  return {
    config: {
      upstreams: { default: { targets: [url] } },
      routes: [{ url: '/*', upstream: 'default', websocket: true }]
    },
    places: undefined
  }
}

/** What a gateway is made from. */
export function partsOf (settings: Settings): AppParts {
  return { ...settings, locate: locateIn(settings.places) }
}
