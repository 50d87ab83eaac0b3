import { connect, createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { acceptOf } from '../../../src/message/accept-key.js'
import { startGateway } from '../../helpers/gateway.js'
import { startNginx } from '../../helpers/nginx.js'
import { frame, masked } from '../../helpers/wire.js'
import { ODD_HANDSHAKES, type OddHandshake } from './odd-handshakes.js'

// Issue 8, item 5

/** What nginx passes and a route with `strict: false` does not, by the reasons that docs/websockets.md gives. */
const NOT_PASSED: Record<string, string[]> = {
  "Node's parser takes no line that ends in LF alone, no version but 1.0 and 1.1, and nothing behind a Connection: close": [
    'client: lines that end in LF alone', 'client: HTTP/1.2', "client: Connection: 'close'"
  ],
  'what asks for another protocol is plain HTTP': ["client: Upgrade: 'web-socket'", "client: Upgrade: 'h2c'"],
  'a handshake is a GET': ['client: POST']
}

const HELLO = frame(0x81, 'hello')
const QUESTION = masked(0x81, 'question')
const ECHO = frame(0x81, 'echo')
/** Milliseconds that a handshake may take before it counts as unanswered. */
const LIMIT = 3000

/** Responses each handshake as its table says, then says hello, and answers a question. */
async function startTarget (t: Test): Promise<string> {
  const server = createServer(socket => {
    let received = ''
    const onHead = (chunk: Buffer): void => {
      received += chunk.toString('latin1')
      const end = received.indexOf('\r\n\r\n')
      if (end === -1) return
      socket.off('data', onHead)
      const { response } = ODD_HANDSHAKES[Number(/^\S+ \/(\d+) /.exec(received)?.[1])]!
      const key = /^sec-websocket-key:[ \t]*(.*?)[ \t]*\r$/im.exec(received)?.[1] ?? ''
      socket.write(Buffer.from(response.replaceAll('%ACCEPT%', acceptOf(key)), 'latin1'))
      socket.write(HELLO)
      const early = Buffer.from(received.slice(end + 4), 'latin1')
      if (early.length > 0) socket.write(Buffer.from('early'))
      let frames = ''
      socket.on('data', chunk => {
        frames += chunk.toString('latin1')
        if (frames === QUESTION.toString('latin1')) socket.write(ECHO)
      })
    }
    socket.on('data', onHead).on('error', () => {})
    t.teardown(() => socket.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** 'passed' when frames go both ways; else what the client got instead. */
function outcome ({ request }: OddHandshake, index: number, port: number): Promise<string> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    let received = ''
    let told = false
    const end = (result: string): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(result)
    }
    const first = (): string => received.split('\r\n', 1)[0]! || 'no response'
    const timer = setTimeout(() => end(`unanswered: ${first()}`), LIMIT)
    socket.on('error', () => {}).on('close', () => end(first()))
    socket.on('data', chunk => {
      received += chunk.toString('latin1')
      const at = received.indexOf('\r\n\r\n')
      if (at === -1) return
      if (!/^HTTP\/1\.[01] 101[ \r]/.test(received)) return end(first())
      const frames = received.slice(at + 4)
      if (!told && frames === HELLO.toString('latin1')) {
        told = true
        socket.write(QUESTION)
      }
      if (frames === HELLO.toString('latin1') + ECHO.toString('latin1')) end('passed')
    })
    socket.write(Buffer.from(request.replace('%PATH%', `/${index}`), 'latin1'))
  })
}

/** The outcome of each, some at a time. */
async function outcomes (port: number): Promise<string[]> {
  const results: string[] = []
  let next = 0
  const work = async (): Promise<void> => {
    while (next < ODD_HANDSHAKES.length) {
      const index = next++
      results[index] = await outcome(ODD_HANDSHAKES[index]!, index, port)
    }
  }
  await Promise.all(Array.from({ length: 16 }, work))
  return results
}

t.test('a route that is not strict passes the handshakes that nginx passes', { timeout: 120_000 }, async t => {
  const target = await startTarget(t)
  const nginx = await startNginx(t, target)
  const lenient = await startGateway(t, { targets: [target], route: { websocket: { strict: false } } })
  const strict = await startGateway(t, { targets: [target] })
  const [throughNginx, throughGateway, strictly] = [await outcomes(nginx.port), await outcomes(lenient.port), await outcomes(strict.port)]

  const passed = throughNginx.flatMap((result, index) => result === 'passed' ? [index] : [])
  t.comment(`of ${ODD_HANDSHAKES.length} handshakes nginx passes ${passed.length}, the gateway ${throughGateway.filter(result => result === 'passed').length}, strictly ${strictly.filter(result => result === 'passed').length}`)
  const missing: Record<string, string> = {}
  for (const index of passed) {
    if (throughGateway[index] !== 'passed') missing[ODD_HANDSHAKES[index]!.name] = throughGateway[index]!
  }
  t.strictSame(Object.keys(missing).sort(), Object.values(NOT_PASSED).flat().sort(), JSON.stringify(missing, null, 2))
  t.ok(passed.length > 100, 'enough of them to mean something')

  for (const [index, { name, response }] of ODD_HANDSHAKES.entries()) {
    if (!/^http\/\S+ +0?101/i.test(response)) t.not(throughGateway[index], 'passed', `${name}: nothing but a 101 opens a tunnel`)
    if (strictly[index] === 'passed') t.equal(throughGateway[index], 'passed', `${name}: what passes strictly passes`)
  }
  if (process.env.VERBOSE) for (const [index, { name }] of ODD_HANDSHAKES.entries()) t.comment(`${name} | nginx ${throughNginx[index]} | gateway ${throughGateway[index]} | strict ${strictly[index]}`)
})
