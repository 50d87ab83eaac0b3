import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { ask } from '../../../helpers/ask.js'
import { echoBackend, httpBackend, type Backend } from '../../../helpers/backends.js'
import { handshake } from '../../../helpers/raw-client.js'
import { goodResponse, rawTarget, refusingPort, type RawTarget } from '../../../helpers/raw-target.js'
import { closed, nextMessage, openSocket } from '../../../helpers/sockets.js'
import { closing, frame, masked, Wire } from '../../../helpers/wire.js'
import type { Peer, Running } from './peers.js'
import { childrenOf } from './processes.js'

/*
 * The rows of the README's comparison. Each situation is brought about with a proxy that runs, and what comes of it is
 * told in the words of the table.
 */

/** Limits that proxies are given, in milliseconds. */
export const LIMIT = 300
/** A proxy that has done nothing for this long, whatever else the machine does, is taken to wait for ever. */
const PATIENCE = 10 * LIMIT
const BROKEN = 'broken'
const MEBIBYTE = 2 ** 20
const SLOW_READER_MEBIBYTES = 64

export const situations: Record<string, (t: Test, peer: Peer) => Promise<string>> = {
  async 'a handshake without credentials, where requests need them' (t, peer) {
    const target = await rawTarget(t)
    const { port } = await peer.start(t, { targetPort: target.port, auth: true })
    t.equal((await ask(`http://127.0.0.1:${port}/`)).status, 401)
    const client = await Wire.connect(t, port)
    client.write(handshake())
    // Whoever responds: the proxy, or the target.
    return await Promise.race([
      client.head().then(({ start }) => start.split(' ')[1]!),
      target.next().then(() => 'passes')
    ])
  },

  async 'the target is down' (t, peer) {
    const targetPort = await refusingPort()
    return await outcome(t, await peer.start(t, { targetPort }), targetPort)
  },

  async 'the target never responds' (t, peer) {
    const target = await rawTarget(t)
    return await Promise.race([
      outcome(t, await peer.start(t, { targetPort: target.port, limit: LIMIT }), target.port),
      target.next().then(() => setTimeout(PATIENCE, 'waits'))
    ])
  },

  async 'the target refuses with 401 and a body' (t, peer) {
    const target = await httpBackend(t, (request, response) => {
      response.statusCode = 401
      response.setHeader('www-authenticate', 'Bearer')
      if (request.url === '/chunked') response.write('Who are ')
      else response.setHeader('content-length', 12)
      response.end(request.url === '/chunked' ? 'you?' : 'Who are you?')
    })
    const running = await peer.start(t, { targetPort: target.port })
    const [whole, chunked] = [await outcome(t, running, target.port, '/'), await outcome(t, running, target.port, '/chunked')]
    const good = '401, www-authenticate: Bearer, "Who are you?"'
    if (whole === good && chunked === BROKEN) return 'relayed; a chunked body is broken'
    t.equal(chunked, whole)
    return whole === good ? 'relayed' : whole
  },

  async 'a client stops reading' (t, peer) {
    const target = await rawTarget(t)
    const { client, server } = await session(t, await peer.start(t, { targetPort: target.port }), target)
    client.socket.pause()
    const message = frame(0x82, Buffer.alloc(MEBIBYTE))
    for (let count = 0; count < SLOW_READER_MEBIBYTES; count++) {
      const written = new Promise(resolve => server.socket.write(message, resolve))
      if (await Promise.race([written.then(() => false), setTimeout(PATIENCE, true)])) return 'backpressure'
    }
    return `${SLOW_READER_MEBIBYTES} MiB buffered`
  },

  async 'the target is lost without a Close' (t, peer) {
    const target = await rawTarget(t)
    const { client, server } = await session(t, await peer.start(t, { targetPort: target.port }), target)
    server.write(frame(0x82, Buffer.alloc(MEBIBYTE)))
    server.socket.end()
    t.equal((await client.frame()).payload.length, MEBIBYTE, 'after all that was sent')
    const rest = await closeOrEnd(client)
    return rest ?? 'no Close'
  },

  async 'SIGTERM in the middle of a message' (t, peer) {
    const target = await rawTarget(t)
    const running = await peer.start(t, { targetPort: target.port })
    const { client, server } = await session(t, running, target)
    const message = frame(0x81, 'hello world')
    const half = message.length - 5
    server.write(Buffer.concat([message, message.subarray(0, half)]))
    await client.bytes(message.length)
    // A proxy of messages keeps this part for itself.
    await Promise.race([client.has(half), setTimeout(LIMIT)])
    const before = client.length
    running.command.kill('SIGTERM')
    // Whatever it does first, and to whom.
    await Promise.race([server.some(), moreThan(client, before)])
    if (server.socket.writable) server.write(message.subarray(half))
    await moreThan(client, before)
    if (client.length === before) return 'cut'
    const { [before]: next } = await client.bytes(before + 1)
    if (next !== message[before]) return `Close ${(await client.bytes(3)).readUInt16BE(1)} inside it`
    await client.bytes(message.length - before - 1)
    const close = await closeOrEnd(client)
    return close === undefined ? 'cut after it' : `${close} after it`
  },

  async 'a graceful stop' (t, peer) {
    const target = await echoTarget(t)
    const running = await peer.start(t, { targetPort: target.port })
    const socket = await openSocket(`http://127.0.0.1:${running.port}`)
    const ended = howItEnded(socket)
    await running.quit()
    return await Promise.race([ended, echoes(socket).then(() => 'kept')])
  },

  async 'a reload of the configuration' (t, peer) {
    const target = await echoTarget(t)
    const running = await peer.start(t, { targetPort: target.port })
    if (running.reload === undefined) return '–'
    const socket = await openSocket(`http://127.0.0.1:${running.port}`)
    const [worker] = childrenOf(running.command.pid)
    const ended = howItEnded(socket)
    await running.reload()
    return await Promise.race([
      ended,
      echoes(socket).then(() => worker !== undefined && childrenOf(running.command.pid).includes(worker) ? 'kept by the old process' : 'kept')
    ])
  },

  async 'the log says of a session' (t, peer) {
    const target = await rawTarget(t)
    const running = await peer.start(t, { targetPort: target.port })
    const begun: string[] = []
    for (const [path, end] of Object.entries(ENDINGS)) {
      const wires = await session(t, running, target, path)
      wires.server.write(frame(0x82, Buffer.alloc(SIZE)))
      await wires.client.frame()
      begun.push(...linesOf(running, path))
      const over = end(wires).then(() => Promise.all([wires.client.gone(), wires.server.gone()]))
      await Promise.race([over, setTimeout(PATIENCE)])
    }
    running.command.kill('SIGTERM')
    await running.command.ended
    const [closedByClient, closedByTarget, clientLost, targetLost] = Object.keys(ENDINGS).map(path => linesOf(running, path).filter(line => !begun.includes(line)).join('\n')) as [string, string, string, string]
    if (closedByClient === '') return begun.length > 0 ? 'its beginning' : 'nothing'
    const words = ['its end']
    if (shape(closedByClient) !== shape(closedByTarget)) words.push('who closed it')
    if (shape(clientLost) !== shape(targetLost)) words.push('who was lost')
    if (closedByClient.includes(String(CODE))) words.push('code')
    if ((closedByClient.match(/\d+/g) ?? []).some(number => Number(number) >= SIZE && Number(number) < SIZE + 1000)) words.push('bytes')
    return words.join(', ')
  }
}

/** The code of a Close, and the bytes of a message, which are found in a log. */
const CODE = 4321
const SIZE = 77_777

/** How sessions end, by the path of each. */
const ENDINGS: Record<string, (wires: Wires) => Promise<void>> = {
  '/one': wires => closeBy('client', wires),
  '/two': wires => closeBy('target', wires),
  async '/three' ({ client, server }) {
    client.reset()
    await server.some()
    server.end()
  },
  async '/four' ({ client, server }) {
    server.reset()
    await client.some()
    client.end()
  }
}

function linesOf (running: Running, path: string): string[] {
  return running.log().split('\n').filter(line => line.includes(path))
}

/** One side sends a Close, the other one answers it, and the target ends the connection first, as RFC 6455 §7.1.1 has it. */
async function closeBy (side: 'client' | 'target', { client, server }: Wires): Promise<void> {
  const payload = closing(CODE)
  const send = { client: () => client.write(masked(0x88, payload)), target: () => server.write(frame(0x88, payload)) }
  const heard = { client: () => server.close(), target: () => client.close() }
  const other = side === 'client' ? 'target' : 'client'
  send[side]()
  await heard[side]()
  send[other]()
  await heard[other]()
  server.end()
  await client.over()
  client.end()
}

/** The words of a line, without what differs from one session to the next. */
function shape (line: string): string {
  return line.replace(/[\da-f]{8}-[\da-f-]{27}/g, '').split(/[^a-z]+/i).filter(word => !Object.keys(ENDINGS).includes(`/${word}`)).sort().join(' ')
}

/** The two ends of a session through a proxy. */
interface Wires { client: Wire, server: Wire }

export async function session (t: Test, { port }: Running, target: RawTarget, path = '/'): Promise<Wires> {
  const client = await Wire.connect(t, port)
  client.write(handshake({ path }))
  const server = await target.next()
  server.write(goodResponse(await server.head()))
  await client.head()
  return { client, server }
}

/** What a client gets for a handshake. */
export async function outcome (t: Test, { port }: Running, targetPort: number, path = '/'): Promise<string> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`)
  t.teardown(() => { socket.terminate() })
  return await new Promise((resolve, reject) => {
    socket.on('unexpected-response', (_request, response: IncomingMessage) => {
      text(response).then(body => {
        const { statusCode, headers } = response
        resolve(statusCode === 401 ? `401, www-authenticate: ${headers['www-authenticate']}, "${body}"` : String(statusCode))
      }, (error: Error) => resolve(`${response.statusCode}, ${error.message}`))
    })
    socket.on('open', () => {
      socket.on('close', (code, reason) => {
        resolve(`101, then ${code}${reason.includes(String(targetPort)) ? ' with its address' : ''}`)
      })
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET') resolve('closed without a response')
      else if (error.code?.startsWith('HPE_') === true) resolve(BROKEN)
      else if (socket.readyState !== WebSocket.OPEN) reject(error)
    })
  })
}

/** The Close that comes next, or undefined when the connection ends without one. */
async function closeOrEnd (client: Wire): Promise<string | undefined> {
  await client.some()
  return client.length === 0 ? undefined : `Close ${(await client.close()).split(' ')[0]}`
}

/** Resolves when a client has more than so many bytes to read, or nothing more comes. */
async function moreThan (client: Wire, count: number): Promise<void> {
  await client.has(count + 1).catch(() => {})
}

async function howItEnded (socket: WebSocket): Promise<string> {
  const { code } = await closed(socket)
  return code === 1006 ? 'cut' : code === 1005 ? 'Close without a code' : `Close ${code}`
}

async function echoTarget (t: Test): Promise<Backend> {
  const target = await echoBackend(t)
  // Caddy does not mask the Close that it sends to a target.
  target.sockets.on('connection', socket => { socket.on('error', () => {}) })
  return target
}

async function echoes (socket: WebSocket): Promise<void> {
  socket.send('still there')
  await nextMessage(socket)
}
