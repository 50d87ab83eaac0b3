import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import { stringify } from 'yaml'
import { startCommand, type Command } from './command.js'
import { samplesOf, type Samples } from './metrics.js'
import { CLI } from './outputs.js'
import { temporaryFolder } from './temporary-folder.js'

/** The built service with a configuration file and an admin listener, as an operator has it. */
export interface BuiltService {
  command: Command
  /** Where it was started. */
  folder: string
  url: string
  admin: string
  /** Writes another configuration. */
  write (config: object): Promise<void>
  metrics (): Promise<Samples>
  /** Collects the metrics until they are as they should be. */
  until (isThere: (samples: Samples) => boolean): Promise<Samples>
  api (method: string, path: string, body?: object): Promise<{ status: number, body: Record<string, unknown> }>
}

/** Starts it in a folder of its own, and waits until it serves. */
export async function startBuilt (t: Test, config: object, { args = [], files = {}, environment = {} }: { args?: string[], files?: Record<string, string>, environment?: Record<string, string> } = {}): Promise<BuiltService> {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'sluice.yaml')
  const write = (config: object): Promise<void> => writeFile(file, stringify({ listen: { port: 0 }, admin: { port: 0 }, ...config }))
  await write(config)
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), content)
  }
  const command = startCommand(t, process.execPath, [CLI, '--config', file, ...args], { cwd: folder, env: { PATH: process.env.PATH, ...environment } })
  const [, admin] = await command.output(/Admin listener at ([^"\s]+)/) as unknown as [string, string]
  const [, url] = await command.output(/Server listening at (http:\/\/[^"\s]+)/) as unknown as [string, string]
  const metrics = async (): Promise<Samples> => samplesOf(await (await fetch(`${admin}/metrics`)).text())
  return {
    command,
    folder,
    url,
    admin,
    write,
    metrics,
    until: async isThere => {
      for (;;) {
        const samples = await metrics()
        if (isThere(samples)) return samples
      }
    },
    api: async (method, path, body) => {
      const response = await fetch(admin + path, { method, ...body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } } })
      return { status: response.status, body: await response.json() as Record<string, unknown> }
    }
  }
}
