import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import ts from 'typescript'
import { blocksOf, PAGES, type Block } from '../docs/markdown.js'
import { startCommand } from './command.js'
import { listeningUrl, startSluice, type SluiceCommand } from './sluice-command.js'
import { temporaryFolder } from './temporary-folder.js'

/*
 * Examples of the docs, for the tests of the peers that they are about: <!-- test: peer NAME --> before a
 * configuration or a program of the gateway, <!-- test: peer NAME/FILE --> before a file of the peer.
 * test/docs/examples.long.test.ts sees to it that each is used by a test.
 */

/** The text of a recipe. */
export function recipeText (name: string): string {
  return blockOf(name).code
}

function blockOf (name: string): Block {
  const block = PAGES.flatMap(blocksOf).find(({ scenario, probes }) => scenario === 'peer' && probes[0] === name)
  if (block === undefined) throw new Error(`No page of the docs has a block with the comment <!-- test: peer ${name} -->`)
  return block
}

/** The text with the test's own targets in the place of those that it names, all of which must be given. */
export function withTargets (text: string, targets: Record<string, string>): string {
  for (const [shown, url] of Object.entries(targets)) {
    if (!text.includes(shown)) throw new Error(`The recipe does not name ${shown}`)
    text = text.replaceAll(shown, url)
  }
  return text
}

/**
 * Serves the configuration of a recipe with the command `sluice`.
 *
 * @param change Changes the text of the configuration, to show what it is good for.
 */
export async function startRecipe (t: Test, name: string, targets: Record<string, string>, change: (text: string) => string = text => text): Promise<SluiceCommand> {
  const file = join(await temporaryFolder(t), 'sluice.yaml')
  await writeFile(file, change(withTargets(recipeText(name), targets)))
  return await startSluice(t, ['--config', file])
}

export interface RecipeProgram {
  env?: Record<string, string>
  /** A folder with the packages that the program imports. Default: a new one that finds those of the repository. */
  folder?: string
  /** Changes the text of the program. */
  change? (text: string): string
}

/** Runs the program of a recipe, which listens on port 8080 there and on a free port here. */
export async function startRecipeProgram (t: Test, name: string, targets: Record<string, string>, { env = {}, folder, change = text => text }: RecipeProgram = {}): Promise<SluiceCommand> {
  const text = change(withTargets(recipeText(name), targets)).replace('port: 8080', 'port: 0').replace('listen(8080', 'listen(0')
  const file = join(folder ?? t.testdir({}), `${name.replaceAll('/', '-')}-${randomUUID()}.mjs`)
  await writeFile(file, ts.transpile(text, { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 }))
  const command = startCommand(t, process.execPath, [`--import=${new URL('report-listening.mjs', import.meta.url)}`, file], { env: { PATH: process.env.PATH!, ...env } })
  return Object.assign(command, { url: await listeningUrl(command) })
}
