import { Duplex } from 'node:stream'
import t from 'tap'
import { goodResponse, rawTarget } from '../helpers/raw-target.js'
import { startGateway } from '../helpers/gateway.js'
import { handshake } from '../helpers/raw-client.js'
import { frame } from '../helpers/wire.js'

/** One end of a connection that is no socket. What is written to one end is there for the other. */
class End extends Duplex {
  other: End | undefined

  static pair (): [End, End] {
    const [near, far] = [new End(), new End()]
    near.other = far
    far.other = near
    return [near, far]
  }

  override _read (): void {}

  override _write (chunk: Buffer, _encoding: string, callback: () => void): void {
    this.other!.push(chunk)
    callback()
  }

  override _final (callback: () => void): void {
    this.other!.push(null)
    callback()
  }

  /** Reads nothing before so many bytes are there. */
  async bytes (count: number): Promise<Buffer> {
    while (this.readableLength < count) await new Promise(resolve => setImmediate(resolve))
    return this.read(count) as Buffer
  }

  async head (): Promise<string> {
    let head = ''
    while (!head.endsWith('\r\n\r\n')) head += (await this.bytes(1)).toString('latin1')
    return head
  }
}

/** No two of its reads are alike. */
const body = Buffer.alloc(400_000)
for (let index = 0; index < body.length; index += 4) body.writeUInt32BE(index, index)

// Documented for the event 'connection' of an HTTP server.
t.test('a connection that is no socket gets every byte of a response', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url] })
  const [near, far] = End.pair()
  gateway.app.server.emit('connection', near)
  far.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  const server = await target.next()
  server.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`).write(body)
  await far.head()
  t.ok((await far.bytes(body.length)).equals(body))
  far.end()
})

t.test('and every byte of a WebSocket', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url] })
  const [near, far] = End.pair()
  gateway.app.server.emit('connection', near)
  far.write(handshake())
  const server = await target.next()
  server.write(goodResponse(await server.head()))
  await far.head()
  const message = frame(0x82, body)
  server.write(message)
  t.ok((await far.bytes(message.length)).equals(message))
  far.destroy()
})
