import { EventEmitter, once } from 'node:events'
import type { Page } from 'playwright-core'
import t from 'tap'
import { WebSocket } from 'ws'
import { ask } from '../../helpers/ask.js'
import { HOST_NAME, openPage } from '../../helpers/chromium.js'
import { NEXT, startDevServer, WEBPACK_DEV_SERVER, type DevServerKind } from '../../helpers/dev-server.js'
import { startRecipe } from '../../helpers/recipe.js'
import { closed, nextMessage, openSocket, refusal } from '../../helpers/sockets.js'
import { hotReload } from './hot-reload.js'

/* The recipes for Next.js and webpack-dev-server, each installed here, with a browser that knows the gateway by a name. */

t.setTimeout(180_000) // npm install asks the registry.

const SERVERS = [
  { name: 'next', kind: NEXT, config: 'next/next.config.js', shown: 'http://127.0.0.1:3000' },
  { name: 'webpack-dev-server', kind: WEBPACK_DEV_SERVER, config: 'webpack-dev-server/webpack.config.js', shown: 'http://127.0.0.1:9000' }
]

for (const { name, kind, config, shown } of SERVERS) {
  t.test(`hot reload of ${name} works through the gateway`, async t => {
    const server = await startDevServer(t, kind, config, 'before the edit')
    const gateway = await startRecipe(t, name, { [shown]: server.url })
    const host = `${HOST_NAME}:${new URL(gateway.url).port}`

    const page = await openPage(t)
    const sockets: URL[] = []
    page.on('websocket', socket => sockets.push(new URL(socket.url())))
    const connected = watchConnection(page, kind)
    await page.goto(`http://${host}/`)
    await page.getByText('before the edit').waitFor()
    await connected()
    await hotReload(t, server, { page })

    t.test('and comes back when the dev server has been killed and started again', async t => {
      await server.kill()
      await server.write('before the edit')
      await server.start()
      await page.getByText('before the edit').waitFor({ timeout: 60_000 })
      await connected()
      await hotReload(t, server, { page })
    })

    t.test('every WebSocket of the page went to the gateway', async t => {
      t.ok(sockets.length >= 2)
      t.same([...new Set(sockets.map(url => url.host + url.pathname))], [host + kind.path])
    })

    t.test('the configuration of the dev server is needed: pages of another host get none', async t => {
      const { port } = new URL(gateway.url)
      const origin = `http://other.example:${port}`
      if (kind === NEXT) {
        // `next dev` writes a text without a head to the connection.
        t.match(await refusal(gateway.url + kind.path, { origin }), { status: 502, body: /SLUICE_TARGET_RESPONSE_INVALID/ })
        t.match(await openSocket(gateway.url + kind.path), { readyState: 1 }, 'without Origin')
      } else {
        t.match(await ask(gateway.url, { headers: { host: `other.example:${port}` } }), { status: 403, body: /Invalid Host header/ })
        const socket = new WebSocket(gateway.url.replace('http', 'ws') + kind.path, { origin })
        const [message] = await Promise.all([nextMessage(socket), closed(socket)])
        t.match(message, /Invalid Host\/Origin header/)
      }
    })
  })
}

/** Gives a function that waits until what the page shows now has a WebSocket on which the dev server will send edits. */
function watchConnection (page: Page, kind: DevServerKind): () => Promise<void> {
  const events = new EventEmitter()
  const state = { connected: false }
  page.on('framenavigated', frame => { if (frame === page.mainFrame()) state.connected = false })
  page.on('websocket', socket => {
    state.connected = false
    socket.on('framereceived', ({ payload }) => {
      if (!kind.connected.test(String(payload))) return
      state.connected = true
      events.emit('connected')
    })
  })
  return async () => { while (!state.connected) await once(events, 'connected') }
}
