import { readdir, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import autoload from '@fastify/autoload'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import { ConfigInvalidError } from '../errors.js'
import type { GatewayConfig } from '../options/index.js'
import type { Locate } from './places.js'

/** What each plugin in the built-in folders `plugins/` and `routes/` gets as its options. */
export interface BuiltInOptions {
  config: GatewayConfig
  /** Says where in the configuration something is, for errors. */
  locate: Locate
  /** Whether the embedded demo is served. */
  demo: boolean
}

/** Undefined in a CommonJS bundle, which may hold this module for a program that uses the plugin alone. */
const HERE = import.meta.url as string | undefined

// As autoload cannot notice every TypeScript loader, it asks for this before it imports .ts files.
if (HERE?.endsWith('.ts') === true) process.env.FASTIFY_AUTOLOAD_TYPESCRIPT ??= '1'

/** Modules, but neither type declarations nor tests. */
const SCRIPTS = /(?<!\.(?:d|test|spec))\.[cm]?[jt]s$/i
const IGNORED = /(^|\/)node_modules(\/|$)/

/**
 * Loads the gateway's own plugins or routes.
 *
 * @throws {ConfigInvalidError} when a bundler has moved this module away from them.
 */
export async function loadBuiltIn (app: FastifyInstance, kind: 'plugins' | 'routes', options: BuiltInOptions): Promise<void> {
  await app.register(autoload, { ...settings(builtIn(kind), kind), options: { ...options } })
}

/**
 * Loads a user's folder of Fastify plugins or routes. A subfolder's name is the prefix of the routes in it.
 *
 * A plugin gets no scope of its own, as if fastify-plugin wrapped it: a hook that guards nothing, since all routes lie in
 * other scopes, would be a hole that nobody notices. It has one if it asks for it, by a prefix or by `encapsulate` of
 * fastify-plugin. A file of routes always has one.
 *
 * @param folder Path, relative to the working directory.
 * @throws {ConfigInvalidError} when there is no such folder, or a file in it cannot be compiled.
 * @throws What a plugin throws; an error of the gateway or of Fastify has the place in the file before its message.
 */
export async function loadFolder (app: FastifyInstance, kind: 'plugins' | 'routes', folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined)
  if (found === undefined) throw new ConfigInvalidError(`Folder of ${kind} '${folder}': there is no such folder.`)
  if (!found.isDirectory()) throw new ConfigInvalidError(`Folder of ${kind} '${folder}': it is a file, not a folder.`)
  const dir = await realpath(folder)
  try {
    await (kind === 'plugins' ? loadWithoutScopes(app, settings(dir, kind)) : app.register(autoload, settings(dir, kind)))
  } catch (error) {
    throw await placed(error, dir)
  }
}

/** autoload can spare all of its plugins their scopes, or none; here each decides. */
async function loadWithoutScopes (app: FastifyInstance, options: ReturnType<typeof settings>): Promise<void> {
  const load = async (scope: FastifyInstance): Promise<void> => {
    const register = (plugin: Exported, pluginOptions: { prefix?: string }): unknown => scope.register(unencapsulated(plugin, pluginOptions), pluginOptions)
    await (autoload as unknown as FastifyPluginAsync<typeof options>)(Object.create(scope, { register: { value: register } }) as FastifyInstance, options)
  }
  await app.register(fastifyPlugin(load, { name: 'sluice-plugins' }))
}

type Exported = FastifyPluginAsync | { default: FastifyPluginAsync }

/** A view of a plugin that Fastify gives no scope. The function itself may be registered elsewhere, too. */
function unencapsulated (exported: Exported, { prefix = '' }: { prefix?: string }): FastifyPluginAsync {
  const plugin = typeof exported === 'function' ? exported : exported.default
  const { encapsulate = false } = (plugin as { [META]?: { encapsulate?: boolean } })[META] ?? {}
  if (encapsulate || prefix !== '') return plugin
  return new Proxy(plugin, { get: (target, key): unknown => key === SKIP_OVERRIDE || Reflect.get(target, key) })
}

/** Where fastify-plugin keeps what it was told, and how it tells Fastify. */
const META = Symbol.for('plugin-meta')
const SKIP_OVERRIDE = Symbol.for('skip-override')

/** The error with its place in the user's folder, as far as that can be known. */
async function placed (error: unknown, dir: string): Promise<unknown> {
  if (error instanceof SyntaxError) return syntaxError(error, dir)
  const { code = '', stack = '' } = error as NodeJS.ErrnoException
  if (!(error instanceof Error) || !/^(SLUICE|FST)_/.test(code)) return error
  // Stack frames name modules by their URL, CommonJS files by their path.
  for (const root of [`${pathToFileURL(dir).href}/`, `${dir}/`]) {
    const at = stack.indexOf(root)
    const frame = at === -1 ? null : /^.*?:\d+:\d+/.exec(stack.slice(at + root.length))
    if (frame === null) continue
    error.message = `${dir}/${frame[0]}: ${error.message}`
    break
  }
  return error
}

/** Node does not say in which module a syntax error is, so each is imported once more: it is the one that fails. */
async function syntaxError (error: SyntaxError, dir: string): Promise<unknown> {
  for (const name of await readdir(dir, { recursive: true })) {
    if (!SCRIPTS.test(name) || IGNORED.test(name)) continue
    const file = join(dir, name)
    const failure: unknown = await import(pathToFileURL(file).href).then(() => undefined, failure => failure)
    if (!(failure instanceof SyntaxError)) continue
    // The loader has appended the first line of the stack to the message, which is of use only sometimes.
    return new ConfigInvalidError(`${file}: ${failure.message.split(/ at (?:SyntaxError: |file:|\/)/, 1)[0]}. 'node ${file}' shows the line.`)
  }
  return error
}

function settings (dir: string, kind: 'plugins' | 'routes') {
  return {
    dir,
    // import() takes every kind of module, whatever the nearest package.json says, or none.
    forceESM: true,
    dirNameRoutePrefix: kind === 'routes',
    scriptPattern: SCRIPTS,
    ignorePattern: IGNORED
  }
}

/** The built-in folders lie beside src/, in the repository as TypeScript and in dist/ compiled. */
function builtIn (kind: 'plugins' | 'routes'): string {
  if (HERE === undefined || !/\/src\/service\/folders\.[jt]s$/.test(HERE)) {
    throw new ConfigInvalidError("createGateway() loads files of the package sluice, so it does not work in a bundle. Tell the bundler that 'sluice' is external.")
  }
  return fileURLToPath(new URL(`../../${kind}/`, HERE))
}
