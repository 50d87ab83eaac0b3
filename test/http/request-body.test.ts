import { PassThrough, Transform } from 'node:stream'
import { createGunzip, gzipSync } from 'node:zlib'
import type { preParsingHookHandler } from 'fastify'
import t, { type Test } from 'tap'
import { ask } from '../helpers/ask.js'
import { echoBackend, gatewayApp, type Seen } from '../helpers/backends.js'

const encoded = gzipSync('hello')

async function send (t: Test, hook: preParsingHookHandler, body: Buffer = encoded): Promise<{ status: number, answer: object }> {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  app.proxy('/*', { upstream: backend.url, preParsing: hook })
  const { status, body: answer } = await ask(await app.listen({ port: 0, host: '127.0.0.1' }), { method: 'POST', headers: { 'content-encoding': 'gzip' }, body })
  return { status, answer: JSON.parse(answer.toString()) }
}

t.test('a body that a hook has decoded goes without its encoding and its length', async t => {
  const { answer } = await send(t, (_request, _reply, payload, done) => {
    done(null, payload.pipe(Object.assign(createGunzip(), { receivedEncodedLength: 0 })))
  })
  t.match(answer as Seen, { body: 'hello', headers: { 'content-encoding': undefined } })
})

t.test('one that a hook has only looked at keeps its encoding', async t => {
  const { answer } = await send(t, (_request, _reply, payload, done) => { done(null, payload.pipe(new PassThrough())) })
  t.match(answer as Seen, { body: encoded.toString('latin1'), headers: { 'content-encoding': 'gzip' } })
})

t.test("an error of a hook's stream is the answer when it has a status, whenever it comes", async t => {
  const failing = (error: Error): preParsingHookHandler => (_request, _reply, payload, done) => {
    done(null, payload.pipe(new Transform({ transform (_chunk, _encoding, callback) { callback(error) } })))
  }
  const failed = (error: Error): preParsingHookHandler => (_request, _reply, payload, done) => {
    const stream = payload.pipe(new PassThrough()).destroy(error)
    stream.once('error', () => { done(null, stream) })
  }
  for (const hook of [failing, failed]) {
    t.match(await send(t, hook(Object.assign(new Error('It has a virus'), { statusCode: 422, code: 'VIRUS' }))), { status: 422, answer: { code: 'VIRUS' } })
    const { status, answer } = await send(t, hook(new Error('/secret/path')))
    t.ok(status >= 500)
    t.notMatch(JSON.stringify(answer), 'secret')
  }
})
