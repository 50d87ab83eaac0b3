import { once } from 'node:events'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { WebSocketServer, type WebSocket } from 'ws'
import { gatewayApp, listen } from '../../helpers/backends.js'
import { runCommand } from '../../helpers/command.js'

// Debian's own, for which python3-websockets and python3-aiohttp are installed.
const PYTHON = '/usr/bin/python3'

t.test('the Python library websockets', async t => {
  const { url, target } = await startGateway(t)
  const ends = recordEnds(target)
  t.same(await runClient(t, 'websockets_client.py', url), {
    subprotocol: 'second',
    extensions: ['permessage-deflate'],
    text: 'grüße',
    binary: true,
    'fragments sent': 'in three fragments',
    'fragments received': 'one, two, three',
    pong: true,
    'closed by the target': [4001, 'as asked'],
    'closed by the client': [4002, 'bye']
  })
  t.same(await Promise.all(ends), [[4001, 'as asked'], [4002, 'bye']])
})

t.test('the Python library aiohttp', async t => {
  const { url, target } = await startGateway(t)
  const ends = recordEnds(target)
  t.same(await runClient(t, 'aiohttp_client.py', url), {
    subprotocol: 'second',
    compressed: true,
    text: 'grüße',
    binary: true,
    'fragments received': 'one, two, three',
    pong: ['PONG', 'are you there?'],
    'closed by the target': ['CLOSE', 4001, 'as asked'],
    'closed by the client': 4002
  })
  t.same(await Promise.all(ends), [[1000, ''], [4002, 'bye']], 'aiohttp answers every close with 1000')
})

/** A gateway before a target that echoes, sends fragments or closes, as it is asked. */
async function startGateway (t: Test): Promise<{ url: string, target: WebSocketServer }> {
  const backend = await listen(t, createServer())
  const target = new WebSocketServer({
    server: backend.server,
    perMessageDeflate: { threshold: 0 },
    handleProtocols: protocols => protocols.has('second') ? 'second' : false
  })
  t.teardown(() => { for (const socket of target.clients) socket.terminate() })
  target.on('connection', socket => {
    socket.on('message', (data, isBinary) => answer(socket, data as Buffer, isBinary))
  })
  const app = await gatewayApp(t)
  app.proxy('/*', { upstream: backend.url, websocket: true })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  return { url: url.replace('http', 'ws'), target }
}

function answer (socket: WebSocket, data: Buffer, isBinary: boolean): void {
  switch (isBinary ? undefined : data.toString()) {
    case 'close, please':
      socket.close(4001, 'as asked')
      break
    case 'fragments, please':
      socket.send('one, ', { fin: false })
      socket.send('two, ', { fin: false })
      socket.send('three', { fin: true })
      break
    default:
      socket.send(data, { binary: isBinary })
  }
}

/** How the connections to the target end, in the order they were opened. */
function recordEnds (target: WebSocketServer): Array<Promise<[number, string]>> {
  const ends: Array<Promise<[number, string]>> = []
  target.on('connection', socket => {
    ends.push(once(socket, 'close').then(([code, reason]) => [code, reason.toString()]))
  })
  return ends
}

async function runClient (t: Test, script: string, url: string): Promise<unknown> {
  const path = fileURLToPath(new URL(`fixtures/${script}`, import.meta.url))
  return JSON.parse(await runCommand(t, PYTHON, [path, url]))
}
