import { fastify } from 'fastify'
import t, { type Test } from 'tap'
import sluice, { type GatewayOptions } from '../../src/index.js'
import { AccessLog } from '../../src/observers/access-log.js'
import type { Exchange, Outcome } from '../../src/proxy/exchange.js'
import { httpBackend } from '../helpers/backends.js'

async function lineOf (t: Test, options: GatewayOptions): Promise<Record<string, unknown>> {
  const { url: target } = await httpBackend(t, (_request, response) => response.writeHead(200, { 'Content-Type': 'text/plain', 'Set-Cookie': 'session=secret', 'X-Other': '1' }).end('ok'))
  let line = ''
  const app = fastify({ disableRequestLogging: true, logger: { stream: { write: (text: string) => { if (text.includes('request completed')) line = text } } } })
  t.teardown(() => app.close())
  await app.register(sluice, options)
  app.proxy('/*', { upstream: target })
  const url = await app.listen({ port: 0 })
  const ended = new Promise<void>(resolve => app.gateway.observe({ onEnd: () => resolve() }))
  await (await fetch(url, { headers: { authorization: 'Bearer secret', 'user-agent': 'test', 'x-trace': 'abc' } })).text()
  await ended
  return JSON.parse(line) as Record<string, unknown>
}

t.test('headers are logged where they are asked for, without secrets', async t => {
  t.notOk('headers' in await lineOf(t, {}))
  const line = await lineOf(t, { accessLog: { requestHeaders: ['User-Agent', 'authorization', 'missing'], responseHeaders: ['content-type', 'Set-Cookie'] } })
  t.same(line.headers, { request: { 'user-agent': 'test', authorization: '[redacted]' }, response: { 'content-type': 'text/plain', 'set-cookie': '[redacted]' } })
  const own = await lineOf(t, { accessLog: { requestHeaders: ['user-agent', 'x-trace'] }, redactHeaders: ['X-Trace'] })
  t.same(own.headers, { request: { 'user-agent': 'test', 'x-trace': '[redacted]' }, response: {} })
})

t.test('of requests that went well, a share has lines', async t => {
  const log = new AccessLog({ accessLog: { sample: 0.1 } })
  let lines = 0
  log.writer = { request: () => false, line: () => { lines++ } }
  const end = (outcome: Partial<Outcome>, random: number): number => {
    lines = 0
    log.random = () => random
    log.onEnd({ timings: {} } as Exchange, { by: 'target', reason: 'complete', status: 200, ...outcome } as Outcome)
    return lines
  }
  t.same([end({}, 0.09), end({}, 0.1), end({ status: 404 }, 0.5), end({ status: 500 }, 0.5), end({ error: new Error('a defect') }, 0.5)], [1, 0, 0, 1, 1])
})
