import type { Test } from 'tap'
import { runCommand } from './command.js'
import { userEnvironment } from './consumer.js'

/** Installs packages from the registry into a folder, for peers that are too large to be dev dependencies of all. */
export async function installPackages (t: Test, folder: string, packages: string[]): Promise<void> {
  await runCommand(t, 'npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts', '--loglevel=error', ...packages], { cwd: folder, env: userEnvironment() })
}
