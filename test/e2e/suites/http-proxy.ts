import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse, type Results } from './results.js'

/* The suite of @fastify/http-proxy, whose own module is replaced by sluice/http-proxy. */

const HERE = fileURLToPath(new URL('./', import.meta.url))
const OURS = fileURLToPath(new URL('../../../dist/src/http-proxy/index.js', import.meta.url))
/** How long a file of tests may take, and one test that is run again alone, in milliseconds. */
const LIMIT = 120_000
const LIMIT_ALONE = 20_000

/**
 * Runs the suite with the original and with ours.
 *
 * @param folder A checkout with its dependencies.
 * @param temporary Where a copy of it goes.
 */
export async function runHttpProxySuite (folder: string, temporary: string): Promise<{ direct: Results, through: Results }> {
  if (!existsSync(join(folder, 'test/websocket.js'))) throw new Error(`${folder} is not a checkout of @fastify/http-proxy`)
  const [theirs, ours] = ['original', 'ours'].map(name => copyOf(folder, join(temporary, name)))
  writeFileSync(join(ours!, 'index.js'), `module.exports = require(${JSON.stringify(OURS)})\n`)
  const direct = await runAll(theirs!)
  const through = await runAll(ours!)
  for (const title of direct.keys()) {
    if (through.has(title) && through.get(title) === undefined) continue
    const [file, name] = split(title)
    const alone = await run(ours!, file, ['--test-name-pattern', `/^${name.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')}$/`], LIMIT_ALONE)
    for (const error of alone.values()) through.set(title, error)
  }
  return { direct, through }
}

function copyOf (folder: string, copy: string): string {
  mkdirSync(copy)
  for (const name of ['test', 'src', 'index.js', 'utils.js', 'package.json']) cpSync(join(folder, name), join(copy, name), { recursive: true })
  symlinkSync(join(folder, 'node_modules'), join(copy, 'node_modules'))
  return copy
}

async function runAll (folder: string): Promise<Results> {
  const results: Results = new Map()
  for (const file of readdirSync(join(folder, 'test')).filter(name => name.endsWith('.js'))) {
    for (const [name, error] of await run(folder, file, [], LIMIT)) results.set(`${file}: ${name}`, error)
  }
  return results
}

/** The file and the name of a test, without the number that one of several has. */
function split (title: string): [file: string, name: string] {
  const at = title.indexOf(': ')
  return [title.slice(0, at), title.slice(at + 2).replace(/ \(\d+\)$/, '')]
}

async function run (folder: string, file: string, options: string[], timeout: number): Promise<Results> {
  const results = join(folder, 'results')
  writeFileSync(results, '')
  const reporting = [`--test-reporter=${join(HERE, 'node-reporter.mjs')}`, `--test-reporter-destination=${results}`]
  const child = spawn(process.execPath, ['--require', join(HERE, 'late-listeners.cjs'), ...reporting, ...options, join('test', file)], {
    cwd: folder,
    stdio: ['ignore', process.env.VERBOSE ? 'inherit' : 'ignore', process.env.VERBOSE ? 'inherit' : 'ignore'],
    timeout,
    killSignal: 'SIGKILL'
  })
  const [code, signal] = await once(child, 'exit') as [number | null, string | null]
  if (code === null) console.log(`${file} ${options.join(' ')}: node ended with ${signal}; its limit is ${timeout / 1000} s`)
  return parse(readFileSync(results, 'utf8'))
}
