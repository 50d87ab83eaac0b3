import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { Type, type Static } from '@sinclair/typebox'
import { ConfigInvalidError } from '../errors.js'
import { LogLevel } from '../options/index.js'
import { problems } from '../options/validate.js'
import type { Variables } from './yaml/variables.js'

/** The environment variables that the service reads. `.env.example` is their reference. */
export const Environment = Type.Object({
  HOST: Type.Optional(Type.String({ description: 'an address' })),
  PORT: Type.Optional(Type.Integer({ minimum: 0, maximum: 65535, description: 'an integer from 0 to 65535' })),
  UPSTREAM_URL: Type.Optional(Type.String({ description: 'the URL of a target' })),
  WORKERS: Type.Optional(Type.Union([Type.Integer({ minimum: 1, maximum: 1024 }), Type.Literal('auto')], { description: "an integer from 1 to 1024, or 'auto'" })),
  ADMIN: Type.Optional(Type.Union([Type.Literal('true'), Type.Literal('false')], { description: 'true or false' })),
  ADMIN_TOKEN: Type.Optional(Type.String({ minLength: 16, description: 'at least 16 characters long' })),
  CONFIG_FILE: Type.Optional(Type.String({ description: 'the path of a configuration file' })),
  // Not LogLevel itself: its default would win over the configuration file.
  LOG_LEVEL: Type.Optional(Type.Union(LogLevel.anyOf, {
    description: `one of ${LogLevel.anyOf.map(level => level.const).join(', ')}`
  }))
})
export type Environment = Static<typeof Environment>

/** All variables: those of the environment, and of the file `.env` in `directory`, if there is one; the environment wins. */
export async function readVariables (environment: NodeJS.ProcessEnv, directory: string): Promise<Variables> {
  return { ...await readDotEnv(join(directory, '.env')), ...environment }
}

/**
 * Those that the service reads.
 * An empty variable counts as not set; but one that was meant to say what is served stays, to be refused.
 *
 * @throws {ConfigInvalidError} naming each wrong variable and what it must be.
 */
export function environmentOf (all: Variables): Environment {
  const given = Object.keys(Environment.properties)
    .map(name => [name, all[name]] as const)
    .filter(([name, value]) => value !== undefined && (value !== '' || NAMES_WHAT_IS_SERVED.has(name)))
  const values = Object.fromEntries(given.map(([name, value]) => [name, NUMBERS.has(name) && /^\d+$/.test(value!) ? Number(value) : value]))
  const wrong = problems(Environment, values).map(({ path: [name] }) => name as keyof Environment)
  if (wrong.length === 0) return values
  throw new ConfigInvalidError(wrong.map(name =>
    `Environment variable ${name} must be ${Environment.properties[name].description}${SECRETS.has(name) ? '' : `, got '${all[name]}'`}.`).join('\n'))
}

const NUMBERS: ReadonlySet<string> = new Set(['PORT', 'WORKERS'])

/** Their values are not repeated. */
const SECRETS: ReadonlySet<string> = new Set(['ADMIN_TOKEN'])

const NAMES_WHAT_IS_SERVED: ReadonlySet<string> = new Set(['UPSTREAM_URL', 'CONFIG_FILE'])

async function readDotEnv (path: string): Promise<NodeJS.Dict<string>> {
  try {
    return parseEnv(await readFile(path, 'utf8'))
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return {}
    throw new ConfigInvalidError(`${path}: cannot be read: ${message}`)
  }
}
