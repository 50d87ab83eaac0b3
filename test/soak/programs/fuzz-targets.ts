import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { WebSocketServer } from 'ws'
import { refusingPort } from '../../helpers/raw-target.js'
import { random } from '../../helpers/random.js'
import { listening, targetUrl, type Pem } from '../addresses.js'
import { misbehave } from '../fuzz/bad-target.js'
import { TARGETS, upstreamOf, type TargetKind } from '../fuzz/routes.js'
import { tokenIn } from '../fuzz/tokens.js'
import { serve } from '../program.js'

/** The targets of the fuzzer, in a process of their own: see TargetKind. */

const sockets = new Set<Socket>()

/** Tells what arrived: the request's token, its method, and its body in short. */
const tell: RequestListener = (request, response) => {
  const hash = createHash('md5')
  let length = 0
  request.on('data', (chunk: Buffer) => {
    hash.update(chunk)
    length += chunk.length
  })
  request.on('end', () => {
    const token = tokenIn(request.url!)
    const text = `${token} ${request.method} ${length} ${hash.digest('hex')}`
    response.setHeader('x-token', token)
    if (token.length % 2 === 0) response.setHeader('content-length', text.length)
    else response.write(text.slice(0, 5))
    response.end(token.length % 2 === 0 ? text : text.slice(5))
  })
}

function behave (server: Server): void {
  server.on('request', tell)
  const echo = new WebSocketServer({ server, maxPayload: 2 ** 22 })
  echo.on('connection', socket => {
    socket.on('error', () => {})
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  echo.on('wsClientError', (_error, socket) => { socket.destroy() })
}

function misbehaveAt (server: Server): void {
  const act = (request: IncomingMessage, upgrade: boolean): void => {
    const seed = Number(/\/b(\d+)\b/.exec(request.url!)?.[1] ?? 0)
    misbehave(random(seed), request, request.socket, tokenIn(request.url!), upgrade).catch(error => { setImmediate(() => { throw error }) })
  }
  server.on('request', request => act(request, false))
  server.on('upgrade', request => {
    request.socket.resume()
    act(request, true)
  })
}

function serverFor (kind: TargetKind, pem?: Pem): Server {
  // A kept-alive connection that ended just when a POST comes would be the fuzzer's own fault.
  const options = { requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 600_000, maxHeaderSize: 1 << 20 }
  const server = pem === undefined ? createServer(options) : createTlsServer({ ...options, ...pem }) as unknown as Server
  const keep = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  }
  server.on('connection', keep).on('secureConnection', keep)
  if (kind === 'bad') misbehaveAt(server)
  else behave(server)
  return server
}

const answers = {
  /** Listens; gives the URLs of the targets of each upstream, by its name. */
  async start ({ folder, ...pem }: Pem & { folder: string }): Promise<Record<string, string[]>> {
    const upstreams: Record<string, string[]> = {}
    const dead = `http://127.0.0.1:${await refusingPort()}`
    for (const kind of TARGETS) {
      const plain = targetUrl(await listening(serverFor(kind)))
      upstreams[upstreamOf(kind, 'tcp')] = [plain]
      upstreams[upstreamOf(kind, 'two')] = [dead, plain]
      upstreams[upstreamOf(kind, 'tls')] = [targetUrl({ ...await listening(serverFor(kind, pem)), tls: true })]
      upstreams[upstreamOf(kind, 'unix')] = [targetUrl(await listening(serverFor(kind), join(folder, `${kind}.sock`)))]
    }
    return upstreams
  },

  /** Ends all connections. */
  drop (): void {
    for (const socket of sockets) socket.destroy()
  }
}

export type FuzzTargetsResponses = typeof answers
serve(answers)
