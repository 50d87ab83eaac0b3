import t from 'tap'
import { startGateway } from '../helpers/gateway.js'
import { rawTarget } from '../helpers/raw-target.js'
import { Wire } from '../helpers/wire.js'

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`

for (const way of ['directly', 'through onSend hooks'] as const) {
  for (const answer of ['', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nthe', `HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n${'x'.repeat(1_000_000)}`]) {
    t.test(`a client that leaves takes along the requests behind its first one; ${answer.length} bytes of an answer, ${way}`, async t => {
      const target = await rawTarget(t)
      const gateway = await startGateway(t, { targets: [target.url], setup: app => { if (way !== 'directly') app.addHook('onSend', async () => {}) } })
      const client = await Wire.connect(t, gateway.port)
      client.write(get('/1') + get('/2') + get('/3'))
      const servers = [await target.next(), await target.next(), await target.next()]
      for (const server of servers) await server.head()
      for (const server of servers.slice(1)) server.write(answer)
      client.reset()
      for (const server of servers) await server.over()
      t.notOk(gateway.log.some(({ level }) => Number(level) >= 50), 'no error is logged')
    })
  }
}

t.test('so it is with many of them, without a warning', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url] })
  const client = await Wire.connect(t, gateway.port)
  client.write(get('/1') + Array.from({ length: 30 }, (_item, index) => get(`/${index}`)).join(''))
  const warnings: Error[] = []
  const listener = (warning: Error) => warnings.push(warning)
  process.on('warning', listener)
  t.teardown(() => process.off('warning', listener))
  const first = await target.next()
  const rest = await Promise.all(Array.from({ length: 30 }, () => target.next()))
  client.reset()
  await Promise.all([first, ...rest].map(server => server.over()))
  t.same(warnings, [])
})
