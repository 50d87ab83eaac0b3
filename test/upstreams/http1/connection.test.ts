import type { Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { TargetTimeoutError, TargetUnreachableError } from '../../../src/errors.js'
import type { UpstreamOptions } from '../../../src/options/index.js'
import { sharedReads } from '../../../src/net/shared-reads.js'
import { Upstream } from '../../../src/upstreams/upstream.js'
import { rawTarget } from '../../helpers/raw-target.js'
import { ChunkBody, sendTo, type SentRequest } from '../../helpers/target-request.js'
import type { Wire } from '../../helpers/wire.js'

/** A request to a target, whose connection is in the hands of the test. */
async function send (t: Test, request: Parameters<typeof sendTo>[1] = {}, options: Partial<UpstreamOptions> = {}): Promise<SentRequest & { wire: Wire, again: (request?: Parameters<typeof sendTo>[1]) => SentRequest }> {
  const server = await rawTarget(t)
  const [target] = new Upstream('app', { ...options, targets: [server.url] }).targets
  t.teardown(() => target!.endpoint.close())
  const sent = sendTo(target!, request)
  const wire = await server.next()
  await wire.head()
  return { ...sent, wire, again: request => sendTo(target!, request) }
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

for (const shared of [true, false]) {
  t.test(`a response a byte at a time, read ${shared ? 'into the shared buffer' : 'by its data events'}`, async t => {
    sharedReads.enabled = shared
    t.teardown(() => { sharedReads.enabled = true })
    const { answer, wire, again } = await send(t)
    const text = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 1\r\n\r\n'
    for (const byte of text) await new Promise<void>(resolve => wire.socket.write(Buffer.from(byte), () => resolve()))
    t.match(await answer, { status: 200, message: 'Fine', body: 'abcde', trailers: ['X-Sum', '1'], interim: [{ status: 103, headers: ['Link', '</a>'] }] })
    await nextTurn()
    const next = again()
    await wire.head()
    wire.write(OK)
    t.match(await next.answer, { body: 'ok' })
  })
}

t.test('a 100 that nobody waits for is no response, and one that is waited for is told', async t => {
  const unasked = await send(t)
  unasked.wire.write(`HTTP/1.1 100 Continue\r\n\r\n${OK}`)
  t.match(await unasked.answer, { status: 200, interim: [] })
  let told = 0
  const body = new ChunkBody(['body'])
  const asked = await send(t, { method: 'POST', headers: ['Content-Length', '4'], body, onContinue: () => { told++ } })
  asked.wire.write(`HTTP/1.1 100 Continue\r\n\r\n${OK}`)
  t.match(await asked.answer, { status: 200, interim: [] })
  t.equal(told, 1)
})

t.test('a target that speaks before it is asked, and ends or goes on', async t => {
  for (const [greeting, end] of [['220 ready\r\n', false], ['HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n', true]] as const) {
    const server = await rawTarget(t)
    server.server.prependListener('connection', (socket: Socket) => { if (end) socket.end(greeting); else socket.write(greeting) })
    const [target] = new Upstream('app', { targets: [server.url] }).targets
    t.teardown(() => target!.endpoint.close())
    const { answer } = sendTo(target!)
    if (end) t.match(await answer, { status: 408 })
    else await t.rejects(answer, { code: INVALID })
  }
})

t.test('a connection on which the target speaks out of turn is used no more', async t => {
  const { answer, wire } = await send(t)
  wire.write(OK)
  await answer
  wire.write('x')
  await wire.over()
})

t.test('what stands behind a response is not the next one', async t => {
  const { answer, wire } = await send(t)
  wire.write(OK + OK)
  t.match(await answer, { body: 'ok' })
  await wire.over()
})

t.test('a body that ends with the connection: its end, and a reset in its place', async t => {
  const whole = await send(t)
  whole.wire.write('HTTP/1.1 200 OK\r\n\r\nbody').end()
  t.match(await whole.answer, { body: 'body' })
  const broken = await send(t)
  const failed = t.rejects(broken.answer, TargetUnreachableError)
  await new Promise<void>(resolve => broken.wire.socket.write('HTTP/1.1 200 OK\r\n\r\nbody', () => resolve()))
  broken.wire.reset()
  await failed
})

const UNREACHABLE = 'SLUICE_TARGET_UNREACHABLE'
const INVALID = 'SLUICE_TARGET_RESPONSE_INVALID'
const broken: Record<string, { text: string, code: string }> = {
  nothing: { text: '', code: UNREACHABLE },
  'half a head': { text: 'HTTP/1.1 200', code: INVALID },
  'an interim response': { text: 'HTTP/1.1 102 Processing\r\n\r\n', code: INVALID },
  'half a body': { text: 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok', code: UNREACHABLE },
  'half a chunk': { text: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nok', code: UNREACHABLE },
  'half of the trailers': { text: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: 1\r\n', code: UNREACHABLE }
}
for (const [name, { text, code }] of Object.entries(broken)) {
  t.test(`the end of the connection behind ${name} is an error, and so is a reset`, async t => {
    for (const end of ['end', 'reset'] as const) {
      const { answer, wire } = await send(t)
      const failed = t.rejects(answer, { code }, end)
      if (text !== '') await new Promise<void>(resolve => wire.socket.write(text, () => resolve()))
      wire[end]()
      await failed
    }
  })
}

t.test('the head is waited for only so long, however it comes', async t => {
  for (const beginning of ['', 'HTTP/1.1 103 Early Hints\r\n\r\n', 'HTTP/1.1 200 OK\r\nX: ']) {
    const { answer, wire } = await send(t, {}, { headersTimeout: 50 })
    wire.write(beginning)
    await t.rejects(answer, TargetTimeoutError, JSON.stringify(beginning))
    await wire.over()
  }
})

t.test('interim responses do not stretch the time for a head', async t => {
  const { answer, wire } = await send(t, {}, { headersTimeout: 200 })
  const hints = setInterval(() => wire.write('HTTP/1.1 102 Processing\r\n\r\n'), 20)
  t.teardown(() => clearInterval(hints))
  await t.rejects(answer, TargetTimeoutError)
})

t.test('the time for a head begins behind the body of the request', async t => {
  const body = new ChunkBody(['a'], true)
  const { answer, wire } = await send(t, { method: 'POST', headers: ['Content-Length', '2'], body }, { headersTimeout: 100 })
  await wire.bytes(1)
  // Longer than the limit.
  await new Promise(resolve => setTimeout(resolve, 200))
  body.sink!.onChunk(Buffer.from('b'))
  body.sink!.onEnd()
  await wire.bytes(1)
  await t.rejects(answer, TargetTimeoutError)
  t.ok(body.stopped)
})

t.test('a body stands still only so long', async t => {
  const { answer, wire } = await send(t, {}, { bodyTimeout: 50 })
  wire.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab')
  await t.rejects(answer, TargetTimeoutError)
})

t.test('a response ahead of the end of the body is the response, and the connection is used no more', async t => {
  const body = new ChunkBody(['a'], true)
  const { answer, wire } = await send(t, { method: 'POST', headers: ['Content-Length', '2'], body })
  wire.write('HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n')
  t.match(await answer, { status: 413 })
  t.ok(body.stopped)
  await wire.over()
})

t.test('a connection on which some of a request is still unwritten carries no other', async t => {
  const { answer, wire } = await send(t, { method: 'POST', headers: ['Content-Length', String(64 * 1024 ** 2)], body: Array.from({ length: 1024 }, () => 'x'.repeat(64 * 1024)) })
  // It reads nothing more.
  wire.socket.pause()
  wire.write(OK)
  t.match(await answer, { body: 'ok' })
  wire.socket.resume()
  await wire.over()
})

t.test('a body that ends with the connection, ahead of the end of the request', async t => {
  const body = new ChunkBody(Array.from({ length: 1024 }, () => 'x'.repeat(64 * 1024)))
  const { answer, wire } = await send(t, { method: 'POST', body })
  wire.socket.pause()
  wire.write('HTTP/1.1 413 Content Too Large\r\n\r\nenough').end()
  t.match(await answer, { status: 413, body: 'enough' })
})

t.test('a head whose lines end in LF is not waited for', async t => {
  const { answer, wire } = await send(t)
  wire.write('HTTP/1.1 200 OK\nContent-Length: 2\n\nok')
  await t.rejects(answer, { code: INVALID })
})

t.test('a body that breaks off takes the connection along', async t => {
  const body = new ChunkBody(['a'], true)
  const { answer, wire } = await send(t, { method: 'POST', headers: ['Content-Length', '2'], body })
  body.sink!.onError(Object.assign(new Error('too slow'), { statusCode: 408 }))
  await t.rejects(answer, { message: 'too slow', statusCode: 408 })
  await wire.over()
})
