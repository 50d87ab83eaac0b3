import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import { startCommand, type Command } from './command.js'
import { userEnvironment } from './consumer.js'
import { installPackages } from './installed.js'
import { freePort } from './raw-target.js'
import { recipeText } from './recipe.js'
import { temporaryFolder } from './temporary-folder.js'

/** A dev server with an app of one page, which shows a text in a paragraph; on a port that stays. */
export interface DevServer {
  readonly url: string
  /** Edits the text, as a developer's editor does. */
  write (text: string): Promise<void>
  /** Kills it, so that its WebSockets are lost. */
  kill (): Promise<void>
  /** Starts it again. */
  start (): Promise<void>
}

export interface DevServerKind {
  /** To be installed from the registry. */
  packages: string[]
  /** Its files by their names, beside those of its recipe. */
  files: Record<string, string>
  /** The file with the text, and what is in it. */
  edited: string
  content (text: string): string
  /** The arguments of `node`. */
  command (port: number): string[]
  /** What it writes when it serves. */
  ready: RegExp
  /** The path of its WebSocket, and what it sends there when it will also send edits. */
  path: string
  connected: RegExp
}

/** Next.js 16 and `next dev`. */
export const NEXT: DevServerKind = {
  packages: ['next@16', 'react@19', 'react-dom@19'],
  files: {
    'app/layout.js': 'export default function Layout ({ children }) { return <html><body>{children}</body></html> }\n'
  },
  edited: 'app/page.js',
  content: text => `'use client'\nexport default function Page () { return <p>${text}</p> }\n`,
  command: port => ['node_modules/next/dist/bin/next', 'dev', '--hostname', '127.0.0.1', '--port', String(port)],
  ready: /Ready in/,
  path: '/_next/hmr',
  connected: /"type":"built"/
}

/** webpack-dev-server 5. */
export const WEBPACK_DEV_SERVER: DevServerKind = {
  packages: ['webpack@5', 'webpack-dev-server@5'],
  files: {
    'public/index.html': '<!doctype html><p></p><script src="/main.js"></script>\n',
    'main.js': `
      import { text } from './text.js'
      const show = () => { document.querySelector('p').textContent = text }
      show()
      module.hot.accept('./text.js', show)
    `,
    // What `webpack serve` does, which is in a package of its own.
    'serve.js': `
      const webpack = require('webpack')
      const WebpackDevServer = require('webpack-dev-server')
      const { devServer, ...config } = require('./webpack.config.js')
      new WebpackDevServer({ ...devServer, host: '127.0.0.1', port: Number(process.argv[2]), static: 'public' }, webpack(config)).start()
    `
  },
  edited: 'text.js',
  content: text => `export const text = ${JSON.stringify(text)}\n`,
  command: port => ['serve.js', String(port)],
  ready: /compiled successfully/,
  path: '/ws',
  connected: /"type":"ok"/
}

/**
 * Installs a dev server and starts it with the configuration of its recipe.
 *
 * @param config The recipe, such as next/next.config.js.
 */
export async function startDevServer (t: Test, { packages, files, edited, content, command, ready }: DevServerKind, config: string, text: string): Promise<DevServer> {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'package.json'), '{ "private": true }')
  await installPackages(t, folder, packages)
  for (const [name, content] of Object.entries(files)) await write(name, content)
  await write(config.slice(config.indexOf('/') + 1), recipeText(config))
  await write(edited, content(text))
  const port = await freePort()
  const env = { ...userEnvironment(), NODE_ENV: 'development', NEXT_TELEMETRY_DISABLED: '1' }
  let running: Command
  const start = async (): Promise<void> => {
    running = startCommand(t, process.execPath, command(port), { cwd: folder, env, detached: true })
    t.teardown(kill)
    await running.output(ready)
  }
  // `next dev` is two processes, of which the second survives the first.
  const kill = (): void => { try { process.kill(-running.pid, 'SIGKILL') } catch {} }
  await start()
  return {
    url: `http://127.0.0.1:${port}`,
    write: text => write(edited, content(text)),
    start,
    async kill () {
      kill()
      await running.ended
    }
  }

  async function write (name: string, content: string): Promise<void> {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), content)
  }
}
