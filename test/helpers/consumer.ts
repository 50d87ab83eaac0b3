import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { runCommand } from './command.js'
import { temporaryFolder } from './temporary-folder.js'

export const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))
const MODULES = join(REPOSITORY, 'node_modules')

/**
 * A project of somebody's with the package as npm packs it (from the dist/ that `npm run build` made), beside
 * `fastify` and what else it depends on, which are links to what is installed here: no registry is asked.
 *
 * @param fastify The name under which that Fastify is installed here.
 */
export async function consumer (t: Test, fastify: 'fastify' | 'fastify-oldest'): Promise<string> {
  const folder = await temporaryFolder(t)
  const modules = join(folder, 'node_modules')
  await mkdir(join(modules, 'sluice'), { recursive: true })
  await runCommand(t, 'npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: REPOSITORY, env: userEnvironment() })
  const tarball = (await readdir(folder)).find(name => name.endsWith('.tgz'))!
  await runCommand(t, 'tar', ['-xzf', tarball, '--strip-components=1', '-C', 'node_modules/sluice'], { cwd: folder })
  const { dependencies } = await manifest(folder, 'sluice')
  for (const name of [...Object.keys(dependencies), '@types/node']) await link(join(MODULES, name), join(modules, name))
  await link(join(MODULES, fastify), join(modules, 'fastify'))
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  return folder
}

interface Manifest {
  version: string
  dependencies: Record<string, string>
  peerDependencies: Record<string, string>
}

/** The package.json of a package that is installed in `folder`. */
export async function manifest (folder: string, name: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(folder, 'node_modules', name, 'package.json'), 'utf8'))
}

async function link (target: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await symlink(target, path)
}

/** The environment without what `npm test` and tap add to it. */
export function userEnvironment (): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_OPTIONS$|TAP|_TAPJS)/.test(name)))
}
