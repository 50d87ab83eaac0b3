import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { acceptOf } from '../../src/message/accept-key.js'
import { Wire, valuesOf, type Head, type Teardown } from './wire.js'

/** A target whose bytes a test writes itself. */
export interface RawTarget {
  url: string
  port: number
  server: Server
  /** How many connections it has been given. */
  connections: number
  /** The next connection, in their order. */
  next (): Promise<Wire>
}

export async function rawTarget (t: Teardown): Promise<RawTarget> {
  const arrived: Wire[] = []
  const wanted: Array<(wire: Wire) => void> = []
  const server = createServer({ allowHalfOpen: true }, (socket: Socket) => {
    target.connections++
    const wire = new Wire(t, socket)
    const resolve = wanted.shift()
    if (resolve === undefined) arrived.push(wire)
    else resolve(wire)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => { server.close() })
  const { port } = server.address() as AddressInfo
  const target: RawTarget = {
    url: `http://127.0.0.1:${port}`,
    port,
    server,
    connections: 0,
    next: () => {
      const wire = arrived.shift()
      return wire !== undefined ? Promise.resolve(wire) : new Promise(resolve => wanted.push(resolve))
    }
  }
  return target
}

/** A good 101 for a handshake that a target has read. */
export function goodResponse (request: Head, lines: string[] = []): string {
  const [key] = valuesOf(request, 'sec-websocket-key')
  return ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Accept: ${acceptOf(key!)}`, ...lines, '', ''].join('\r\n')
}

/** A port that refuses connections. */
export async function refusingPort (): Promise<number> {
  const server = createServer(socket => socket.unref()).listen(0, '127.0.0.1').unref()
  await once(server, 'listening')
  // The near end of a connection: nobody listens there, and as long as it is open nobody else can.
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').unref()
  await once(socket, 'connect')
  return socket.localPort!
}

/** A port that was free a moment ago, for a program that cannot be asked which one it has taken. */
export async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

/** The address of a port where connections stay unanswered: its process never accepts, and its backlog is full. */
export async function blackHole (t: Teardown): Promise<number> {
  const program = `
    const server = require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      require('fs').writeSync(1, String(server.address().port))
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    })`
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => { child.kill('SIGKILL') })
  const [port] = await once(child.stdout, 'data') as [Buffer]
  const fillers = Array.from({ length: 8 }, () => connect(Number(port), '127.0.0.1').on('error', () => {}))
  t.teardown(() => { for (const filler of fillers) filler.destroy() })
  // A backlog of 1 holds two.
  await new Promise<void>(resolve => {
    let connected = 0
    for (const filler of fillers) filler.on('connect', () => { if (++connected === 2) resolve() })
  })
  return Number(port)
}
