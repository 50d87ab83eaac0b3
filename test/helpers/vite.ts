import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Test } from 'tap'
import { createServer } from 'vite'
import { temporaryFolder } from './temporary-folder.js'

/** A Vite dev server with an app of one page, which shows the text that one of its modules exports. */
export interface Vite {
  readonly url: string
  /** Edits the module, as a developer's editor does. */
  write (text: string): Promise<void>
}

export async function startVite (t: Test, text: string): Promise<Vite> {
  const root = await temporaryFolder(t)
  const write = (newText: string) => writeFile(join(root, 'text.js'), `export const text = ${JSON.stringify(newText)}\n`)
  await writeFile(join(root, 'index.html'), '<!doctype html><p></p><script type="module" src="/main.js"></script>\n')
  await writeFile(join(root, 'main.js'), `
    import { text } from './text.js'
    const show = text => { document.querySelector('p').textContent = text }
    show(text)
    import.meta.hot.accept('./text.js', module => show(module.text))
  `)
  await write(text)

  let watching: Promise<unknown> | undefined
  const server = await createServer({
    root,
    configFile: false,
    logLevel: 'silent',
    // With port 0, Vite tells its client to dial port 0 if the page's own host fails: there is no way around a gateway.
    server: { host: '127.0.0.1', port: 0, strictPort: true },
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
