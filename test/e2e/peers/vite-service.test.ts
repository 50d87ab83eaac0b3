import t from 'tap'
import { startSluice } from '../../helpers/sluice-command.js'
import { startVite } from '../../helpers/vite.js'
import { hotReloadAt } from './hot-reload.js'

t.test("Vite's hot reload works through `sluice URL`", async t => {
  const vite = await startVite(t, 'before the edit')
  const { url } = await startSluice(t, [vite.url])
  await hotReloadAt(t, vite, url)
})
