import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import t from 'tap'
import { refusingPort } from '../helpers/raw-target.js'
import type { HttpGatewayResponses } from './programs/http-gateway.js'
import { Program } from './program.js'

/** Bytes of each body: SIZE=<n> for another number. */
const SIZE = Number(process.env.SIZE ?? 1024 ** 3)
/** Memory of the gateway is looked at so often. */
const STEP = 32 * 1024 ** 2
/** What a collection of garbage that has not come yet may hold; a body is eight times as long. */
const TOLERANCE = 128 * 1024 ** 2

t.setTimeout(300_000)

/** Blocks that differ, so that one in the place of another is seen. */
function * blocks (): Generator<Buffer> {
  const block = Buffer.alloc(256 * 1024, 'sluice ')
  for (let sent = 0; sent < SIZE; sent += block.length) {
    block.writeUInt32BE(sent / block.length)
    yield Buffer.from(block)
  }
}

/** Swallows a body, and gives its digest. */
class Digest extends Writable {
  readonly hash = createHash('sha1')
  #bytes = 0
  readonly #onStep: () => Promise<void>

  constructor (onStep: () => Promise<void> = async () => {}) {
    super()
    this.#onStep = onStep
  }

  override _write (chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error) => void): void {
    this.hash.update(chunk)
    const steps = Math.floor(this.#bytes / STEP)
    this.#bytes += chunk.length
    if (Math.floor(this.#bytes / STEP) === steps) return callback()
    this.#onStep().then(() => callback(), callback)
  }
}

t.test(`bodies of ${SIZE / 1024 ** 2} MiB, down and up, with and without a length, in flat memory`, async t => {
  const expected = createHash('sha1')
  for (const block of blocks()) expected.update(block)
  const digest = expected.digest('hex')

  let uploaded = Promise.resolve('')
  const server = createServer((received, response) => {
    if (received.method === 'GET') {
      if (received.url === '/sized') response.setHeader('content-length', SIZE)
      pipeline(Readable.from(blocks()), response).catch(t.threw)
      return
    }
    const sink = new Digest(look)
    uploaded = pipeline(received, sink).then(() => sink.hash.digest('hex'))
    uploaded.then(() => response.end('done'), t.threw)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => { server.closeAllConnections(); server.close() })
  const gateway = new Program<HttpGatewayResponses>('http-gateway', t)
  const port = await gateway.ask('start', {
    target: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    unreachable: `http://127.0.0.1:${await refusingPort()}`
  })
  let seen: number[] = []
  const look = async (): Promise<void> => { seen.push(await gateway.ask('resident')) }

  for (const way of ['', '/hooked']) {
    for (const path of ['/sized', '/chunked']) {
      for (const method of ['GET', 'POST']) {
        seen = []
        const sent = request({ port, host: '127.0.0.1', agent: false, path: way + path, method, headers: method === 'POST' && path === '/sized' ? { 'content-length': SIZE } : {} })
        const answered = once(sent, 'response') as Promise<[IncomingMessage]>
        if (method === 'POST') await pipeline(Readable.from(blocks()), sent)
        else sent.end()
        const [answer] = await answered
        const sink = new Digest(look)
        await pipeline(answer, sink)
        t.equal(method === 'GET' ? sink.hash.digest('hex') : await uploaded, digest, `${method} ${way}${path}`)
        const [first] = seen
        t.ok(Math.max(...seen) - first! < TOLERANCE, `from ${Math.round(first! / 1024 ** 2)} to at most ${Math.round(Math.max(...seen) / 1024 ** 2)} MiB resident`)
      }
    }
  }
  await gateway.ask('close')
  t.equal(await gateway.over(), 0)
})
