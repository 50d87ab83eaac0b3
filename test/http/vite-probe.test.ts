import t from 'tap'
import { gatewayApp } from '../helpers/backends.js'
import { rawExchange } from '../helpers/sockets.js'
import { refusingPort } from '../helpers/raw-target.js'

// Issue 8, A: Vite 5 is killed and started again.
t.test("a question of Vite's client for a target that is down gets no response, and others do", async t => {
  const app = await gatewayApp(t)
  app.proxy('/*', { upstream: `http://127.0.0.1:${await refusingPort()}` })
  const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
  const ask = (accept: string) => rawExchange(Number(port), `GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept: ${accept}\r\n\r\n`)
  t.equal(await ask('text/x-vite-ping'), '')
  t.match(await ask('*/*'), /^HTTP\/1\.1 502 /)
  t.match(await ask('text/html, text/x-vite-ping'), /^HTTP\/1\.1 502 /)
})
