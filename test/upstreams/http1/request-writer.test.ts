import t, { type Test } from 'tap'
import { BodyFailedError, TargetUnreachableError } from '../../../src/errors.js'
import { Upstream } from '../../../src/upstreams/upstream.js'
import { rawTarget } from '../../helpers/raw-target.js'
import { ChunkBody, sendTo, type SentRequest } from '../../helpers/target-request.js'
import type { Wire } from '../../helpers/wire.js'

async function send (t: Test, request: Parameters<typeof sendTo>[1]): Promise<SentRequest & { wire: Wire }> {
  const server = await rawTarget(t)
  const [target] = new Upstream('app', { targets: [server.url] }).targets
  t.teardown(() => target!.endpoint.close())
  const sent = sendTo(target!, request)
  sent.answer.catch(() => {})
  return { ...sent, wire: await server.next() }
}

/** A request's text up to some bytes that end it. */
async function text (wire: Wire, end: string): Promise<string> {
  let all = ''
  while (!all.endsWith(end)) all += (await wire.bytes(1)).toString('latin1')
  return all
}

const HOST = 'Host: target.test\r\n'

t.test('a request without a body', async t => {
  const get = await send(t, { path: '/a?b', headers: ['Host', 'target.test', 'x-Odd', '', 'x-Odd', 'caf\xe9'] })
  t.equal(await text(get.wire, '\r\n\r\n'), `GET /a?b HTTP/1.1\r\n${HOST}x-Odd: \r\nx-Odd: caf\xe9\r\n\r\n`)
})

t.test('a method that has a body by its meaning says that there is none', async t => {
  const post = await send(t, { method: 'POST' })
  t.equal(await text(post.wire, '\r\n\r\n'), `POST / HTTP/1.1\r\n${HOST}Content-Length: 0\r\n\r\n`)
  const told = await send(t, { method: 'PUT', headers: ['Content-Length', '0'] })
  t.equal(await text(told.wire, '\r\n\r\n'), 'PUT / HTTP/1.1\r\nContent-Length: 0\r\n\r\n')
})

t.test('a body with its length', async t => {
  const { wire } = await send(t, { method: 'POST', headers: ['Host', 'target.test', 'Content-Length', '5'], body: ['he', 'llo'] })
  t.equal(await text(wire, 'llo'), `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhello`)
})

t.test('a body in chunks, none of them empty', async t => {
  const { wire } = await send(t, { method: 'POST', body: ['hello', '', 'x'.repeat(17)] })
  t.equal(await text(wire, '0\r\n\r\n'), `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n11\r\n${'x'.repeat(17)}\r\n0\r\n\r\n`)
})

t.test('an expectation and trailers', async t => {
  const { wire } = await send(t, { method: 'POST', body: ['a'], onContinue: () => {}, trailers: { names: 'X-Sum', read: () => ['X-Sum', '1', 'X-Sum', '2'] } })
  const head = await text(wire, '\r\n\r\n')
  t.match(head, '\r\nExpect: 100-continue\r\n')
  t.match(head, '\r\nTrailer: X-Sum\r\n')
  t.equal(await text(wire, '2\r\n\r\n'), '1\r\na\r\n0\r\nX-Sum: 1\r\nX-Sum: 2\r\n\r\n')
})

t.test('a body that is longer or shorter than its length is not sent as another request', async t => {
  for (const body of [['abc'], ['a', 'b', 'c'], ['a']]) {
    const { wire, answer } = await send(t, { method: 'POST', headers: ['Content-Length', '2'], body })
    await t.rejects(answer, BodyFailedError)
    await wire.over()
    const [, sent = ''] = (await wire.rest()).split('\r\n\r\n')
    t.ok(sent.length <= 2)
  }
})

t.test('a target that does not read holds the body back', async t => {
  const body = new ChunkBody(Array.from({ length: 1000 }, () => 'x'.repeat(64 * 1024)))
  const { wire, answer } = await send(t, { method: 'POST', body })
  wire.socket.pause()
  const sink = await new Promise<NonNullable<typeof body.sink>>(resolve => {
    const look = (): void => { if (body.sink === undefined) setImmediate(look); else resolve(body.sink) }
    look()
  })
  t.notOk(sink.onChunk(Buffer.alloc(10 * 1024 * 1024)), 'no more is taken')
  t.ok(body.left > 0)
  wire.reset()
  await t.rejects(answer, TargetUnreachableError)
})
