import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import sluice from '../../src/index.js'
import { HANDSHAKE } from '../helpers/raw-client.js'
import { rawTarget, type RawTarget } from '../helpers/raw-target.js'
import type { Wire } from '../helpers/wire.js'
import { requestAt, ROUTES } from './gateway.js'

/*
 * Issue 8, item 17: endings of requests that come over no connection.
 */

async function start (t: Test): Promise<{ app: FastifyInstance, target: RawTarget, checkAlive: () => Promise<void> }> {
  const target = await rawTarget(t)
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(sluice, { drainTimeout: 500 })
  app.proxy(`${ROUTES.direct}/*`, { upstream: target.url, websocket: true })
  await app.register(async scope => {
    scope.addHook('onSend', async (_request, _reply, payload) => payload)
    scope.proxy(`${ROUTES['with an onSend hook']}/*`, { upstream: target.url, websocket: true })
  })
  const checkAlive = async (): Promise<void> => {
    const injected = app.inject('/direct/alive')
    const server = await requestAt(target, '/direct/alive')
    server.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nalive').end()
    const { statusCode, body } = await injected
    t.same({ statusCode, body }, { statusCode: 200, body: 'alive' })
  }
  return { app, target, checkAlive }
}

const beginnings: Record<string, string> = {
  'a head with Content-Length': 'Content-Length: 100\r\n\r\n',
  'part of a body with Content-Length': 'Content-Length: 100\r\n\r\npartial',
  'a head with chunks to come': 'Transfer-Encoding: chunked\r\n\r\n',
  'a whole chunk': 'Transfer-Encoding: chunked\r\n\r\n7\r\npartial\r\n',
  'part of a chunk': 'Transfer-Encoding: chunked\r\n\r\nff\r\npartial'
}

const breaks: Record<string, (server: Wire) => void> = {
  FIN: server => server.end(),
  RST: server => server.reset()
}

for (const [way, prefix] of Object.entries(ROUTES)) {
  t.test(way, async t => {
    const { app, target, checkAlive } = await start(t)
    for (const [begun, text] of Object.entries(beginnings)) {
      for (const [end, breakOff] of Object.entries(breaks)) {
        t.test(`${end} behind ${begun}`, async t => {
          const injected = app.inject(`${prefix}/x`)
          const rejected = t.rejects(async () => { await injected }, 'no response that looks whole')
          const server = await requestAt(target, `${prefix}/x`)
          server.write(`HTTP/1.1 200 OK\r\n${text}`)
          await new Promise(resolve => setImmediate(resolve))
          breakOff(server)
          await rejected
          server.end()
          await checkAlive()
        })
      }
    }

    t.test('a handshake, which needs a connection', async t => {
      const response = await app.inject({ url: `${prefix}/x`, headers: HANDSHAKE })
      t.match(response.json(), { statusCode: 400, code: 'SLUICE_HANDSHAKE_INVALID' })
      await checkAlive()
    })

    // light-my-request lets nobody know of an abort once the body has been read, be it empty.
    t.test('one that is aborted in mid-response is read to its end', async t => {
      const controller = new AbortController()
      const injected = app.inject({ url: `${prefix}/x`, signal: controller.signal })
      injected.catch(() => {})
      const server = await requestAt(target, `${prefix}/x`)
      server.write('HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\npartial')
      controller.abort()
      server.write('rest').end()
      t.equal((await injected).body, 'partialrest')
      await checkAlive()
    })

    t.test('a drain, and then a request', async () => {
      await app.gateway.drain()
      await checkAlive()
    })

    t.test('app.close() with one that its target does not answer', async t => {
      const injected = app.inject(`${prefix}/x`)
      const server = await requestAt(target, `${prefix}/x`)
      await app.close()
      t.equal((await injected).statusCode, 503)
      await server.over()
      server.end()
    })
  })
}
