import { createServer, type AddressInfo, type Socket } from 'node:net'
import type { Teardown } from '../helpers/wire.js'
import { acceptOf } from '../../src/message/accept-key.js'
import { readMessage, requestFault, type Message } from './strict.js'

/** A target that reads strictly, writes down what it reads, and answers each request by its path. */
export interface RecordingTarget {
  url: string
  /** The requests: method, path and, if there is one, body. */
  requests: string[]
  /** Bytes that are no request, or one that can be read in two ways. Never rightly there. */
  violations: string[]
  /** Resolves when no connection to it is left. */
  idle (): Promise<void>
}

/** How a request is told in a case and in its response. */
export function told ({ start, body }: Message): string {
  const request = start.replace(/ HTTP\/1\.1$/, '')
  return body === '' ? request : `${request} ${body}`
}

/** What the target makes of a request whose path ends in one of these words; of any other it makes a 200. */
const SPECIAL: Record<string, (message: Message) => string> = {
  // What an upgrade that is refused leaves behind is a connection of HTTP: the next bytes are a request.
  'refuse-426': () => 'HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 0\r\n\r\n',
  'good-101': ({ headers }) => `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptOf(new Map(headers).get('sec-websocket-key') ?? '')}\r\n\r\n`,
  'bare-101': () => 'HTTP/1.1 101 Switching Protocols\r\n\r\n',
  'early-413': () => 'HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
}

/** A whole head that expects 100 Continue. */
const EXPECTING = /^(?:[^\r]+\r\n)+Expect: 100-continue\r\n(?:[^\r]+\r\n)*\r\n/

export async function recordingTarget (t: Teardown): Promise<RecordingTarget> {
  const sockets = new Set<Socket>()
  const wanted: Array<() => void> = []
  const target: RecordingTarget = {
    url: '',
    requests: [],
    violations: [],
    idle: () => new Promise(resolve => sockets.size === 0 ? resolve() : wanted.push(resolve))
  }
  const server = createServer(socket => {
    sockets.add(socket)
    let text = ''
    let opaque = false
    /** Whether the body of the request that is being read has been asked for. */
    let asked = false
    const read = (): void => {
      while (text !== '' && !opaque) {
        const reading = readMessage(text)
        if ('missing' in reading) {
          if (!asked && EXPECTING.test(text)) socket.write('HTTP/1.1 100 Continue\r\n\r\n')
          asked = true
          return
        }
        asked = false
        const fault = 'violation' in reading ? reading.violation : requestFault(reading.message)
        if (fault !== undefined) {
          target.violations.push(fault)
          socket.destroy()
          return
        }
        const { message, length } = reading as Extract<typeof reading, { message: Message }>
        text = text.slice(length)
        const request = told(message)
        target.requests.push(request)
        const path = message.start.split(' ')[1]!
        const special = SPECIAL[path.slice(path.lastIndexOf('/') + 1)]
        // Behind a 101 there are no requests, whatever the client may think.
        opaque = path.endsWith('-101')
        socket.write(special?.(message) ?? answer(request), 'latin1')
      }
    }
    socket.on('data', chunk => { text += chunk.toString('latin1'); read() })
    socket.on('error', () => {})
    socket.on('close', () => {
      sockets.delete(socket)
      if (sockets.size === 0) for (const resolve of wanted.splice(0)) resolve()
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  target.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return target
}

/** The response says, twice, which request it belongs to. */
function answer (request: string): string {
  const body = request.startsWith('HEAD ') ? '' : request
  return `HTTP/1.1 200 OK\r\nX-Request: ${encodeURIComponent(request)}\r\nContent-Length: ${request.length}\r\n\r\n${body}`
}
