import { on } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ask } from '../../helpers/ask.js'
import { startCommandWithOneOutput } from '../../helpers/command.js'
import { freePort } from '../../helpers/raw-target.js'
import { recipeText, startRecipe } from '../../helpers/recipe.js'
import { openSocket, refusal } from '../../helpers/sockets.js'
import { temporaryFolder } from '../../helpers/temporary-folder.js'

/** Debian's own; its kernel is that of Debian's Python. */
const JUPYTER = '/usr/bin/jupyter-server'
const TOKEN = 'a-token-of-the-test'
const authorization = `token ${TOKEN}`

t.test('a kernel of Jupyter computes, by its recipe', async t => {
  const port = await startJupyter(t)
  const { url } = await startRecipe(t, 'jupyter', { 'http://127.0.0.1:8888': `http://127.0.0.1:${port}` })
  const host = `app.example:${new URL(url).port}`

  const created = await ask(`${url}/api/kernels`, { method: 'POST', headers: { host, authorization }, body: '{}' })
  t.equal(created.status, 201, String(created.body))
  const { id } = JSON.parse(String(created.body)) as { id: string }
  const channels = `${url}/api/kernels/${id}/channels`

  // What a browser has after it was shown the page with its token.
  const { headers } = await ask(`${url}/api/kernels?token=${TOKEN}`, { headers: { host } })
  const cookie = headers['set-cookie']!.map(cookie => cookie.split(';')[0]).join('; ')

  await t.test('over the channels of a WebSocket, from a page of the same origin', async t => {
    const socket = await openSocket(channels, [], { origin: `http://${host}`, headers: { host, cookie } })
    socket.send(JSON.stringify({
      channel: 'shell',
      header: { msg_id: 'question', msg_type: 'execute_request', session: 'test', username: 'test', version: '5.3', date: new Date().toISOString() },
      parent_header: {},
      metadata: {},
      content: { code: '6 * 7', silent: false, store_history: true, user_expressions: {}, allow_stdin: false, stop_on_error: true }
    }))
    for await (const [data] of on(socket, 'message')) {
      const { msg_type: type, content } = JSON.parse(String(data))
      if (type !== 'execute_result') continue
      t.equal(content.data['text/plain'], '42')
      break
    }
    socket.terminate()
  })

  await t.test('but neither for other hosts nor for pages of another origin', async t => {
    t.match(await ask(`${url}/api/kernels`, { headers: { host: 'other.example', authorization } }), { status: 403 })
    t.match(await refusal(channels, { origin: 'http://other.example', headers: { host, cookie } }), { status: 403 })
  })

  const ended = await ask(`${url}/api/kernels/${id}`, { method: 'DELETE', headers: { host, authorization } })
  t.equal(ended.status, 204)
})

/** Starts Jupyter with the configuration of the recipe, and gives its port. */
async function startJupyter (t: Test): Promise<number> {
  const folder = await temporaryFolder(t)
  for (const name of ['config', 'data', 'runtime', 'notebooks']) await mkdir(join(folder, name))
  await writeFile(join(folder, 'config/jupyter_server_config.py'), recipeText('jupyter/jupyter_server_config.py'))
  const port = await freePort()
  const jupyter = startCommandWithOneOutput(t, '/usr/bin/env', [
    `JUPYTER_CONFIG_DIR=${join(folder, 'config')}`, `JUPYTER_DATA_DIR=${join(folder, 'data')}`, `JUPYTER_RUNTIME_DIR=${join(folder, 'runtime')}`,
    `IPYTHONDIR=${join(folder, 'data')}`, 'PATH=/usr/bin:/bin', '/usr/bin/python3', JUPYTER,
    '--no-browser', '--allow-root', '--ip=127.0.0.1', `--port=${port}`, '--ServerApp.port_retries=0', `--ServerApp.token=${TOKEN}`,
    `--ServerApp.root_dir=${join(folder, 'notebooks')}`
  ])
  await jupyter.output(/is running at/)
  return port
}
