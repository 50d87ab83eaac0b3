import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { runCommand } from '../../helpers/command.js'
import { startGateway } from '../../helpers/gateway.js'
import { goodResponse, rawTarget } from '../../helpers/raw-target.js'
import { temporaryFolder } from '../../helpers/temporary-folder.js'
import { closing, frame, type Wire } from '../../helpers/wire.js'

// Where Debian's golang-github-gorilla-websocket-dev is installed.
const GOPATH = '/usr/share/gocode'

/** gorilla's own words for a connection that ends without a Close. */
const LOST = { closeCode: 1006, text: 'unexpected EOF' }

interface Ending {
  /** What the target does once the client has its message. */
  end: (target: Wire) => unknown
  directly: object
  /** Default: as directly. */
  through?: object
}

const close = (payload?: Buffer) => (target: Wire) => target.write(frame(0x88, payload))

const ENDINGS: Record<string, Ending> = {
  'Close 1000 with a reason': { end: close(closing(1000, 'all said')), directly: { closeCode: 1000, text: 'all said' } },
  'Close 1011': { end: close(closing(1011)), directly: { closeCode: 1011, text: '' } },
  'Close 1012': { end: close(closing(1012)), directly: { closeCode: 1012, text: '' } },
  'Close 1014': { end: close(closing(1014)), directly: { error: 'websocket: bad close code 1014' } },
  'Close 4000': { end: close(closing(4000, 'as asked')), directly: { closeCode: 4000, text: 'as asked' } },
  'Close without a code': { end: close(), directly: { closeCode: 1005, text: '' } },
  'the target destroys its connection': { end: target => target.socket.destroy(), directly: LOST },
  'the target ends its half': { end: target => target.end(), directly: LOST },
  'the target ends inside a message': { end: target => target.write(frame(0x81, 'a message').subarray(0, 5)).end(), directly: LOST },
  // A reset goes on as the end of the connection.
  'the target resets its connection': { end: target => target.reset(), directly: { error: 'read tcp: read: connection reset by peer' }, through: LOST },
  // The gateway ends a session whose target breaks the protocol, and says so.
  'a frame with a reserved opcode': { end: target => target.write(frame(0x83, 'x')), directly: { error: 'websocket: bad opcode 3' }, through: { closeCode: 1002, text: '' } }
}

// Issue 8, A: gorilla clients behave through the gateway as directly.
t.test('the Go library gorilla/websocket', async t => {
  const client = await buildClient(t)

  for (const [name, { end, directly, through = directly }] of Object.entries(ENDINGS)) {
    t.test(`${name}: directly, and through the gateway`, async t => {
      const target = await rawTarget(t)
      const gateway = await startGateway(t, { targets: [target.url], route: { websocket: true } })
      for (const [way, port, expected] of [['directly', target.port, directly], ['through the gateway', gateway.port, through]] as const) {
        const seen = runClient(t, client, port)
        const server = await greet(await target.next())
        end(server)
        const [message, ended, ...more] = await seen
        t.equal(message, 'hello', `${way}, the message`)
        t.strictSame(ended, expected, `${way}, the end`)
        t.strictSame(more, [], 'nothing more')
      }
    })
  }

  t.test('app.close(): Close 1012, which is no bad code', async t => {
    const target = await rawTarget(t)
    const { app, port } = await startGateway(t, { targets: [target.url], route: { websocket: true } })
    const seen = runClient(t, client, port)
    const server = await greet(await target.next())
    const closed = app.close()
    t.equal(await server.close(), '1012')
    server.write(frame(0x88, closing(1012))).end()
    t.strictSame(await seen, ['hello', { closeCode: 1012, text: '' }])
    await closed
  })
})

/** Opens a session, and waits until its client has a message and has sent it back. */
async function greet (server: Wire): Promise<Wire> {
  server.write(goodResponse(await server.head())).write(frame(0x81, 'hello'))
  await server.frame()
  return server
}

async function buildClient (t: Test): Promise<string> {
  const folder = await temporaryFolder(t)
  const source = fileURLToPath(new URL('fixtures/gorilla_client.go', import.meta.url))
  const env = { ...process.env, GO111MODULE: 'off', GOPATH, GOCACHE: `${folder}/cache`, GOFLAGS: '' }
  await runCommand(t, 'go', ['build', '-o', `${folder}/client`, source], { env })
  return `${folder}/client`
}

async function runClient (t: Test, client: string, port: number): Promise<unknown[]> {
  const lines = await runCommand(t, client, [`ws://127.0.0.1:${port}/`])
  return lines.trimEnd().split('\n').map(line => JSON.parse(line))
}
