import { execSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { Program, times } from './program.js'
import type { ServiceResponses } from './programs/service.js'
import type { SlowClientsResponses } from './programs/slow-clients.js'
import { settled } from './usage.js'

/** CLIENTS=<n> for another number. */
const CLIENTS = Number(process.env.CLIENTS ?? 5000)
const WAYS = 5
/** What a collection of garbage leaves differs by this much from one to the next; 400 bytes a client would be more. */
const HEAP_TOLERANCE = 2_000_000

t.setTimeout(180_000)

const descriptors = Number(execSync('ulimit -Hn', { shell: '/bin/bash' }).toString())
if (descriptors < 2 * CLIENTS) throw new Error(`the gateway needs up to ${2 * CLIENTS} file descriptors, and may have ${descriptors}: raise 'ulimit -Hn', or set CLIENTS`)

t.test(`${CLIENTS} slow clients do not stop the others, and are ended`, async t => {
  // Without kept-alive connections all descriptors of the gateway are those of its clients.
  const server = createServer((request, response) => {
    request.on('error', () => {}).resume()
    request.on('end', () => { response.writeHead(200, { connection: 'close' }).end('served') })
  })
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', socket => { socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })) })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => { server.close().closeAllConnections() })

  const gateway = new Program<ServiceResponses>('service', t)
  const port = await gateway.ask('start', {
    listen: { port: 0, headersTimeout: 10_000, requestTimeout: 10_000 },
    routes: [{ url: '/*', upstream: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, websocket: true }]
  })
  const failures: unknown[] = []
  const took: number[] = []
  const get = async (index: number): Promise<void> => {
    const started = performance.now()
    try {
      const response = await fetch(`http://127.0.0.1:${port}/${index}`, index % 2 === 0 ? {} : { method: 'POST', body: 'x'.repeat(10_000) })
      const text = await response.text()
      if (response.status !== 200 || text !== 'served') failures.push(`${response.status} ${text}`)
    } catch (error) {
      failures.push(error)
    }
    took.push(performance.now() - started)
  }
  const chat = async (): Promise<void> => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`)
    await once(socket, 'open')
    socket.send('hello')
    const [data] = await once(socket, 'message') as [Buffer]
    if (String(data) !== 'hello') failures.push(data)
    socket.close()
    await once(socket, 'close')
  }

  /** Connects so many slow clients, has others served beside them, and waits for their ends. */
  const round = async (count: number): Promise<void> => {
    const slow = new Program<SlowClientsResponses>('slow-clients', t)
    await slow.ask('start', { port, count })
    const beside = await slow.ask('open')
    took.length = 0
    await times(1000, 10, get)
    await times(50, 10, chat)
    const left = await slow.ask('open')
    t.same(failures, [], 'all requests and WebSockets were served')
    t.ok(left > count / 2, `beside ${beside} slow clients, of whom ${left} were left then`)
    took.sort((one, other) => one - other)
    t.comment(`${took.length} requests beside them: ${Math.round(took[took.length >> 1]!)} ms in the middle, ${Math.round(took.at(-1)!)} ms at most`)

    const each = count / WAYS
    t.same(await slow.ask('outcomes'), {
      'nothing: ': each,
      'half a head: HTTP/1.1 408 Request Timeout': each,
      'a head by bytes: HTTP/1.1 408 Request Timeout': each,
      'a handshake by bytes: HTTP/1.1 408 Request Timeout': each,
      'a body by bytes: HTTP/1.1 408 Request Timeout': each
    }, 'every slow client is told')
    t.equal(await slow.over(), 0)
  }

  // What is made once, compiled and pooled, is made before the start.
  await times(500, 10, get)
  await times(10, 10, chat)
  await round(Math.min(CLIENTS, 2000))
  const before = await settled(() => gateway.ask('usage'))
  await round(CLIENTS)
  const after = await settled(() => gateway.ask('usage'))
  t.equal(after.descriptors, before.descriptors, 'the descriptors of the start')
  t.same(after.resources, before.resources, 'the handles and timers of the start')
  t.ok(after.heap - before.heap < HEAP_TOLERANCE, `the heap of the start: ${before.heap} bytes before, ${after.heap} after`)
  t.comment(`descriptors ${before.descriptors} before, ${after.descriptors} after; heap ${before.heap}, ${after.heap}; external ${before.external}, ${after.external}`)

  await gateway.ask('close')
  t.equal(await gateway.over(), 0, 'and then the process ends by itself')
})
