import { EventEmitter, once } from 'node:events'
import { fastify, type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { createGateway } from '../../../src/service/index.js'
import type { GatewayConfig } from '../../../src/options/index.js'
import { echoBackend } from '../../helpers/backends.js'
import { closed, openSocket, rawExchange, refusal } from '../../helpers/sockets.js'

/*
 * Issue 9, item 3: one line for each request, whoever has responded, and one for each session.
 */

interface Line { level: number, msg: string, req?: { url: string }, res?: { statusCode: number }, route?: string, by?: string, session?: object, err?: { code: string } }

async function start (t: Test, config: GatewayConfig = {}): Promise<{ url: string, lines: Line[], next (): Promise<Line> }> {
  const { url: target } = await echoBackend(t)
  const events = new EventEmitter()
  const lines: Line[] = []
  const { log } = fastify({
    logger: {
      stream: {
        write: (text: string) => {
          const line = JSON.parse(text) as Line
          if (line.msg.startsWith('Server listening')) return
          lines.push(line)
          events.emit('line', line)
        }
      }
    }
  })
  const setup = (app: FastifyInstance): void => {
    app.addHook('onRequest', async (request, reply) => { if (request.url === '/secret') return await reply.code(401).send('no') })
    app.get('/own', () => 'own')
    app.get('/throws', () => { throw new Error('a defect') })
  }
  const gateway = createGateway({ listen: { port: 0 }, routes: [{ url: '/*', upstream: target, websocket: true, method: ['GET'] }], ...config }, { logger: log, setup })
  t.teardown(() => gateway.close())
  return { url: await gateway.listen(), lines, next: async () => (await once(events, 'line'))[0] as Line }
}

t.test('one line for each request', async t => {
  const { url, lines, next } = await start(t)
  const asked = async (path: string, init: RequestInit = {}): Promise<Line> => {
    const line = next()
    await (await fetch(url + path, init)).text()
    return await line
  }
  t.match(await asked('/proxied'), { level: 30, msg: 'request completed', req: { url: '/proxied' }, res: { statusCode: 200 }, route: '/*', by: 'target' })
  t.match(await asked('/own'), { level: 30, msg: 'request completed', req: { url: '/own' }, res: { statusCode: 200 }, route: undefined })
  t.match(await asked('/secret'), { msg: 'request completed', res: { statusCode: 401 } })
  t.match(await asked('/a', { method: 'DELETE' }), { msg: 'request completed', res: { statusCode: 404 } })
  const line = next()
  await rawExchange(Number(new URL(url).port), 'GET /a/../b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  t.match(await line, { level: 30, res: { statusCode: 400 }, err: { code: 'SLUICE_PATH_INVALID' } })
  t.equal(lines.length, 5)
  // The error, as Fastify logs it, and the line.
  await asked('/throws')
  t.match(lines.slice(5), [{ level: 50, msg: 'a defect' }, { level: 30, msg: 'request completed', res: { statusCode: 500 } }])
})

t.test('one for each handshake that is refused, and one for each session', async t => {
  const { url, lines, next } = await start(t)
  let line = next()
  t.equal((await refusal(`${url}/secret`)).status, 401)
  t.match(await line, { msg: 'request completed', res: { statusCode: 401 } })
  line = next()
  const socket = await openSocket(`${url}/chat`)
  t.equal(lines.length, 1, 'nothing at the 101')
  const over = closed(socket)
  socket.close(1000)
  await over
  t.match(await line, { msg: 'websocket session ended', req: { url: '/chat' }, route: '/*', session: { by: 'client', code: 1000 } })
  t.equal(lines.length, 2)
})

t.test('without an access log there is a line for each session, and none for requests', async t => {
  const { url, lines, next } = await start(t, { accessLog: false })
  for (const path of ['/proxied', '/own', '/secret']) await (await fetch(url + path)).text()
  const line = next()
  const socket = await openSocket(`${url}/chat`)
  socket.close(1000)
  t.match(await line, { msg: 'websocket session ended' })
  t.equal(lines.length, 1)
})
