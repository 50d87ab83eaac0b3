import { fileURLToPath } from 'node:url'
import t from 'tap'
import { echoBackend, gatewayApp } from '../helpers/backends.js'
import { startCommand } from '../helpers/command.js'
import { closed } from '../helpers/sockets.js'

const WSCAT = fileURLToPath(new URL('../../node_modules/.bin/wscat', import.meta.url))

t.test('wscat talks through the gateway', async t => {
  let end: ReturnType<typeof closed> | undefined
  const backend = await echoBackend(t, socket => {
    end = closed(socket)
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
    socket.send('connected') // Without a terminal, wscat itself does not say so.
  })
  const app = await gatewayApp(t)
  app.proxy('/*', { upstream: backend.url, websocket: true })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })

  const wscat = startCommand(t, WSCAT, ['--connect', url.replace('http', 'ws'), '--slash', '--show-ping-pong'])
  await wscat.output(/^connected$/m)
  wscat.type('hello')
  await wscat.output(/^> hello$/m)
  wscat.type('/ping anyone')
  await wscat.output(/^> Received pong \(data: "anyone"\)$/m)
  wscat.type('/close 4001 done')
  t.equal(await wscat.ended, 0)
  t.same(await end, { code: 4001, reason: 'done' })
})
