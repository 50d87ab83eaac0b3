import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { REPOSITORY } from './consumer.js'

export const DOCKERFILE = join(REPOSITORY, 'deploy/docker/Dockerfile')

/** A line of a Dockerfile: COPY --from=build /a /b. */
export interface Instruction {
  name: string
  flags: Record<string, string>
  /** What follows the flags, as it is written. */
  text: string
}

/** The instructions of a Dockerfile, in order. */
export async function readDockerfile (file = DOCKERFILE): Promise<Instruction[]> {
  const lines = (await readFile(file, 'utf8')).split('\n').filter(line => !line.startsWith('#')).join('\n').replaceAll('\\\n', ' ').split('\n')
  return lines.filter(line => line.trim() !== '').map(instructionOf)
}

function instructionOf (line: string): Instruction {
  const words = line.trim().split(/ +/)
  const name = words.shift()!
  const flags: Record<string, string> = {}
  while (words[0]?.startsWith('--')) {
    const [flag, ...value] = words.shift()!.slice(2).split('=')
    flags[flag!] = value.join('=')
  }
  return { name, flags, text: words.join(' ') }
}

/** The list of a command in exec form; fails for one that a shell would run. */
export function execForm (text: string): string[] {
  const list: unknown = JSON.parse(text)
  if (!Array.isArray(list) || list.some(word => typeof word !== 'string')) throw new Error(`not in exec form: ${text}`)
  return list as string[]
}

/** The names in the build's context that its ignore file leaves: it ignores everything, and names the exceptions. */
export async function contextOf (file = DOCKERFILE): Promise<string[]> {
  const [all, ...exceptions] = (await readFile(`${file}.dockerignore`, 'utf8')).split('\n').filter(line => line !== '' && !line.startsWith('#'))
  if (all !== '*' || exceptions.some(line => !/^![\w.-]+$/.test(line))) throw new Error('not understood: the ignore file')
  return exceptions.map(line => line.slice(1))
}
