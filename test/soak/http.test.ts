import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import t from 'tap'
import { refusingPort } from '../helpers/raw-target.js'
import { Wire, valuesOf, type Head } from '../helpers/wire.js'
import type { HttpGatewayResponses } from './programs/http-gateway.js'
import { Program, times } from './program.js'
import { settled } from './usage.js'

/** EXCHANGES=<n> for another number. */
const EXCHANGES = Number(process.env.EXCHANGES ?? 20_000)
const AT_A_TIME = 100
/** What a collection of garbage leaves differs by this much from one to the next; 100 bytes an exchange would be more. */
const HEAP_TOLERANCE = 2_000_000

t.setTimeout(300_000)

/** Wires clean up after themselves here; a test of 20,000 exchanges does not keep them for its end. */
const unkept = { teardown () {} }

const BIG = Buffer.alloc(256 * 1024, 'x')

/** What the target does with a request, by the last part of its path. */
const TARGET: Record<string, (wire: Wire, request: Head) => void | Promise<void>> = {
  plain: wire => { wire.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok') },
  chunked: wire => { wire.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3\r\nay!\r\n0\r\nX-Trailer: 1\r\n\r\n') },
  hints: wire => { wire.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok') },
  'no-content': wire => { wire.write('HTTP/1.1 204 No Content\r\n\r\n') },
  'not-modified': wire => { wire.write('HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n') },
  head: wire => { wire.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n') },
  big: wire => { wire.write(`HTTP/1.1 200 OK\r\nContent-Length: ${BIG.length}\r\n\r\n`).write(BIG) },
  'until-end': wire => { wire.write('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok').end() },
  async upload (wire, request) {
    await wire.bytes(Number(valuesOf(request, 'content-length')[0]))
    wire.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  },
  early: wire => { wire.write('HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno') },
  'resets-before-head': wire => { wire.reset() },
  'resets-in-head': wire => { wire.write('HTTP/1.1 200 OK\r\nContent-').end() },
  'resets-in-body': wire => { wire.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf').end() },
  'resets-in-chunks': wire => { wire.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n').end() },
  garbage: wire => { wire.write('nonsense\r\n\r\n') },
  bad: wire => { wire.write('HTTP/1.1 999 Strange\r\nContent-Length: 0\r\n\r\n') },
  silent: () => {},
  'begins-only': wire => { wire.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf') }
}

/** What a client does. It ends with its connection gone. */
type Exchange = (client: Wire, path: string) => Promise<void>

async function expectStatus (client: Wire, status: number): Promise<Head> {
  const head = await client.head()
  if (head.start.split(' ')[1] !== String(status)) throw new Error(`got ${head.start}`)
  return head
}

async function leave (client: Wire): Promise<void> {
  client.end()
  await client.over()
  await client.gone()
}

const request = (method: string, path: string, ...lines: string[]) => [`${method} ${path} HTTP/1.1`, 'Host: a', ...lines, '', ''].join('\r\n')

/** One request, and a response of this status that ends with these bytes. */
function answered (status: number, body: string, { method = 'GET', lines = [] as string[], sent = '' } = {}): Exchange {
  return async (client, path) => {
    client.write(request(method, path, ...lines)).write(sent)
    await expectStatus(client, status)
    if (body !== '' && !(await client.bytes(body.length)).toString('latin1').endsWith(body)) throw new Error('another body')
    await leave(client)
  }
}

/** One request; the client resets its connection once so many bytes of a response are there. */
function aborted (bytes: number, text = request('GET', '%'), reached = true): Exchange {
  return async (client, path) => {
    const target = reached ? arrival(path) : undefined
    client.write(text.replace('%', path))
    if (target !== undefined) await target
    if (bytes > 0) await client.has(bytes)
    client.reset()
    await client.gone()
  }
}

/** One request; its response breaks off. */
const broken: Exchange = async (client, path) => {
  client.write(request('GET', path))
  await expectStatus(client, 200)
  await client.rest()
  await leave(client)
}

const EXCHANGES_BY_TARGET: Array<[target: string, exchange: Exchange]> = [
  ['plain', answered(200, 'ok')],
  ['plain', answered(200, 'ok', { lines: ['Connection: close'] })],
  ['plain', async (client, path) => {
    for (let turn = 0; turn < 3; turn++) {
      client.write(request('GET', path))
      await expectStatus(client, 200)
      await client.bytes(2)
    }
    await leave(client)
  }],
  ['plain', async (client, path) => {
    client.write(request('GET', path).repeat(3))
    for (let turn = 0; turn < 3; turn++) {
      await expectStatus(client, 200)
      await client.bytes(2)
    }
    await leave(client)
  }],
  ['plain', async (client, path) => {
    client.write(`GET ${path} HTTP/1.0\r\nHost: a\r\n\r\n`)
    await expectStatus(client, 200)
    await client.rest()
    await leave(client)
  }],
  ['chunked', async (client, path) => {
    client.write(request('GET', path, 'Connection: close'))
    await expectStatus(client, 200)
    if (!/0\r\nX-Trailer: 1\r\n\r\n$/.test(await client.rest())) throw new Error('another body')
    await leave(client)
  }],
  ['hints', async (client, path) => {
    client.write(request('GET', path))
    await expectStatus(client, 103)
    await expectStatus(client, 200)
    await leave(client)
  }],
  ['no-content', answered(204, '')],
  ['not-modified', answered(304, '')],
  ['head', answered(200, '', { method: 'HEAD' })],
  ['big', async (client, path) => {
    client.write(request('GET', path))
    await expectStatus(client, 200)
    await client.bytes(BIG.length)
    await leave(client)
  }],
  ['big', aborted(1000)],
  ['until-end', answered(200, '')],
  ['upload', answered(200, 'ok', { method: 'POST', lines: [`Content-Length: ${BIG.length}`], sent: BIG.toString('latin1') })],
  ['early', answered(413, 'no', { method: 'POST', lines: [`Content-Length: ${BIG.length}`], sent: BIG.toString('latin1') })],
  ['early', answered(413, 'no', { method: 'POST', lines: ['Content-Length: 1000'], sent: 'not all' })],
  ['early', answered(413, 'no', { method: 'POST', lines: ['Content-Length: 4', 'Expect: 100-continue'] })],
  ['resets-before-head', answered(502, '')],
  ['resets-before-head', answered(502, '', { method: 'POST', lines: ['Content-Length: 4'], sent: 'body' })],
  ['resets-before-head', answered(502, '', { method: 'POST', lines: ['Content-Length: 4', 'Expect: 100-continue'] })],
  ['resets-in-head', answered(502, '')],
  ['resets-in-body', broken],
  ['resets-in-chunks', broken],
  ['garbage', answered(502, '')],
  ['bad', answered(502, '')],
  ['bad', answered(502, '', { method: 'POST', lines: ['Content-Length: 4', 'Expect: 100-continue'] })],
  ['silent', aborted(0)],
  ['silent', aborted(0, request('POST', '%', 'Content-Length: 1000') + 'half')],
  ['silent', aborted(0, request('POST', '%', 'Content-Length: 4', 'Expect: 100-continue'))],
  ['silent', aborted(0, request('GET', '%'), false)],
  ['silent', aborted(0, request('GET', '%').repeat(3))],
  ['begins-only', aborted(80)]
]

/** Who waits for a request with this path to arrive. */
const waiting = new Map<string, () => void>()

function arrival (path: string): Promise<void> {
  return new Promise(resolve => { waiting.set(path.replace('/hooked', ''), resolve) })
}

/** The target's connections. */
const targetSockets = new Set<Socket>()

async function serveTarget (socket: Socket): Promise<void> {
  const wire = new Wire(unkept, socket)
  targetSockets.add(socket)
  socket.on('close', () => targetSockets.delete(socket))
  socket.on('end', () => socket.end())
  try {
    while (!wire.closed && !wire.ended) {
      const head = await wire.head()
      const path = head.start.split(' ')[1]!
      await TARGET[path.split('/')[1]!]!(wire, head)
      waiting.get(path)?.()
      waiting.delete(path)
    }
  } catch {
    // The connection is over.
  }
}

t.test(`${EXCHANGES} exchanges of mixed endings leave nothing behind`, async t => {
  const server = createServer({ allowHalfOpen: true }, socket => { serveTarget(socket).catch(t.threw) })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => { server.close() })
  const gateway = new Program<HttpGatewayResponses>('http-gateway', t)
  const port = await gateway.ask('start', {
    target: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    unreachable: `http://127.0.0.1:${await refusingPort()}`
  })

  let next = 0
  const one = async (): Promise<void> => {
    const number = next++
    const [target, exchange] = EXCHANGES_BY_TARGET[number % EXCHANGES_BY_TARGET.length]!
    const way = Math.floor(number / EXCHANGES_BY_TARGET.length) % 2 === 0 ? '' : '/hooked'
    const path = `${way}/${target}/${number}`
    try {
      await exchange(await Wire.connect(unkept, port), path)
      if (number % 20 === 0) await answered(502, '')(await Wire.connect(unkept, port), '/unreachable')
    } catch (error) {
      throw new Error(`${path} (${number % EXCHANGES_BY_TARGET.length}): ${(error as Error).message}`)
    }
  }
  /** What the gateway holds without the connections that its pools keep for the next request. */
  const kept = async () => {
    let held
    // A connection that was on its way for a client that has left may still arrive.
    do {
      await Promise.all([...targetSockets].map(socket => once(socket.end(), 'close')))
      held = await settled(() => gateway.ask('usage'))
    } while (targetSockets.size > 0)
    return held
  }

  await times(Math.min(EXCHANGES, 4000), AT_A_TIME, one)
  const before = await kept()
  const started = performance.now()
  await times(EXCHANGES, AT_A_TIME, one)
  const took = Math.round(performance.now() - started)
  const after = await kept()

  t.equal(after.descriptors, before.descriptors, 'the descriptors of the start')
  t.same(after.resources, before.resources, 'the handles and timers of the start')
  t.ok(after.heap - before.heap < HEAP_TOLERANCE, `the heap of the start: ${before.heap} bytes before, ${after.heap} after`)
  t.ok(after.external - before.external < HEAP_TOLERANCE, `and the memory beside it: ${before.external} before, ${after.external} after`)
  t.equal(after.told.completed, after.told.answered, 'a log line for each onResponse')
  t.comment(`${EXCHANGES} in ${took} ms; descriptors ${before.descriptors} before, ${after.descriptors} after; heap ${before.heap}, ${after.heap}; external ${before.external}, ${after.external}; ${JSON.stringify(after.resources)}; ${JSON.stringify(after.told)}`)
  await gateway.ask('close')
  t.equal(await gateway.over(), 0, 'and then the process ends by itself')
})
