import { once } from 'node:events'
import { rename, writeFile } from 'node:fs/promises'
import { createServer as createNetServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { createServer, type UserConfig } from 'vite'
import { startCommand, type Command } from './command.js'
import { userEnvironment } from './consumer.js'
import { recipeText } from './recipe.js'
import { temporaryFolder } from './temporary-folder.js'

/** A Vite dev server with an app of one page, which shows the text that one of its modules exports. */
export interface Vite {
  readonly url: string
  /** Edits the module, as a developer's editor does. */
  write (text: string): Promise<void>
}

export function startVite (t: Test, text: string): Promise<Vite> {
  return startViteWith(t, text, {})
}

/** The same with the configuration of a recipe. */
export async function startViteRecipe (t: Test, config: string, text: string): Promise<Vite> {
  const file = join(await temporaryFolder(t), 'vite.config.mjs')
  await writeFile(file, recipeText(config))
  return await startViteWith(t, text, (await import(file)).default)
}

async function startViteWith (t: Test, text: string, config: UserConfig): Promise<Vite> {
  const { root, write } = await viteApp(t, text)

  let watching: Promise<unknown> | undefined
  const server = await createServer({
    ...config,
    root,
    configFile: false,
    logLevel: 'silent',
    // With port 0, Vite tells its client to dial port 0 if the page's own host fails: there is no way around a gateway.
    server: { ...config.server, host: '127.0.0.1', port: 0, strictPort: true },
    plugins: [{
      name: 'watching',
      configureServer ({ watcher }) { watching = once(watcher, 'ready') }
    }]
  })
  t.teardown(() => server.close())
  await server.listen()
  await watching
  const { port } = server.httpServer!.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, write }
}

/** The app in a new folder. */
async function viteApp (t: Test, text: string): Promise<{ root: string, write: Vite['write'] }> {
  const root = await temporaryFolder(t)
  const write = (newText: string) => writeFile(join(root, 'text.js'), `export const text = ${JSON.stringify(newText)}\n`)
  await writeFile(join(root, 'index.html'), '<!doctype html><p></p><script type="module" src="./main.js"></script>\n')
  await writeFile(join(root, 'main.js'), `
    import { text } from './text.js'
    const show = text => { document.querySelector('p').textContent = text }
    show(text)
    import.meta.hot.accept('./text.js', module => show(module.text))
  `)
  await write(text)
  return { root, write }
}

/** A Vite dev server as developers run it: the command `vite`, on a port that stays. */
export interface ViteCommand extends Vite {
  /** Kills it, so that its WebSockets are lost. */
  kill (): Promise<void>
  /** Starts it again. */
  start (): Promise<void>
  /** Writes its configuration anew, whereupon it restarts by itself. */
  reconfigure (): Promise<void>
}

/** @param name The name under which that Vite is installed. */
export async function startViteCommand (t: Test, name: 'vite' | 'vite-5', text: string): Promise<ViteCommand> {
  const { root, write } = await viteApp(t, text)
  const port = await freePort()
  let version = 0
  // Replaced in one step: Vite would read a file that is half written.
  const configure = async () => {
    await writeFile(join(root, 'vite.config.new'), `
    export default {
      define: { __CONFIGURATION__: '${version++}' },
      plugins: [{
        name: 'watching',
        configureServer ({ watcher }) { watcher.once('ready', () => console.log('watching with configuration ${version}')) }
      }],
      server: { host: '127.0.0.1', port: ${port}, strictPort: true }
    }
  `)
    await rename(join(root, 'vite.config.new'), join(root, 'vite.config.mjs'))
  }
  const watching = () => vite.output(new RegExp(`watching with configuration ${version}\n`))
  let vite: Command
  const start = async () => {
    const command = fileURLToPath(new URL(`../../node_modules/${name}/bin/vite.js`, import.meta.url))
    vite = startCommand(t, process.execPath, [command], { cwd: root, env: { ...userEnvironment(), NO_COLOR: '1' } })
    await Promise.all([watching(), vite.output(/Local:/)])
  }
  await configure()
  await start()
  return {
    url: `http://127.0.0.1:${port}`,
    write,
    start,
    async kill () {
      vite.kill('SIGKILL')
      await vite.ended
    },
    async reconfigure () {
      await configure()
      await Promise.all([watching(), vite.output(/server restarted\./)])
    }
  }
}

/** A port of loopback that nobody listens on. */
export async function freePort (): Promise<number> {
  const server = createNetServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
