import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { REPOSITORY } from './consumer.js'

export const UNIT_FILE = join(REPOSITORY, 'deploy/systemd/sluice.service')

/** deploy/systemd/sluice.service with other folders, such as { '/opt/sluice': '/tmp/sluice' }. */
export async function unitWith (folders: Record<string, string>): Promise<string> {
  let text = await readFile(UNIT_FILE, 'utf8')
  for (const [from, to] of Object.entries(folders)) text = text.replaceAll(from, to)
  return text
}

/** The values of a setting of a unit, in order. */
export function settingOf (unit: string, name: string): string[] {
  return unit.split('\n').filter(line => line.startsWith(`${name}=`)).map(line => line.slice(name.length + 1))
}
