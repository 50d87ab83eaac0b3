import t from 'tap'
import { ask } from '../../helpers/ask.js'
import { HOST_NAME } from '../../helpers/chromium.js'
import { httpBackend } from '../../helpers/backends.js'
import { startRecipe } from '../../helpers/recipe.js'
import { startVite, startViteRecipe } from '../../helpers/vite.js'
import { hotReloadAt } from './hot-reload.js'

/* The recipes for Vite, with a browser that knows the gateway by a name. */

t.test('hot reload, beside an API', async t => {
  const api = await httpBackend(t, (request, response) => response.end(`the API at ${request.url}`))
  const vite = await startViteRecipe(t, 'vite/vite.config.js', 'before the edit')
  const { url } = await startRecipe(t, 'vite', { 'http://127.0.0.1:5173': vite.url, 'http://127.0.0.1:3000': api.url })
  await hotReloadAt(t, vite, named(url))
  t.equal(await (await fetch(`${url}/api/users`)).text(), 'the API at /api/users')
})

t.test('hot reload below a base', async t => {
  const vite = await startViteRecipe(t, 'vite-base/vite.config.js', 'before the edit')
  const { url } = await startRecipe(t, 'vite-base', { 'http://127.0.0.1:5173': vite.url })
  await hotReloadAt(t, vite, `${named(url)}/app/`)
})

t.test('without the configuration, Vite refuses the host', async t => {
  const vite = await startVite(t, 'text')
  const { url } = await startRecipe(t, 'vite-base', { 'http://127.0.0.1:5173': vite.url })
  t.match(await ask(`${url}/app/`, { headers: { host: HOST_NAME } }), { status: 403, body: /^Blocked request\. This host \("app\.example"\) is not allowed\./ })
})

function named (url: string): string {
  return `http://${HOST_NAME}:${new URL(url).port}`
}
