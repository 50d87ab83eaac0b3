import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { WebSocketServer } from 'ws'
import { listening, targetUrl, type Pem } from '../addresses.js'
import { reset } from '../fuzz/bad-target.js'
import { readBody, writeBody } from '../mixing/bodies.js'
import { planOf, type Leg, type Plan } from '../mixing/plan.js'
import { talk, type TalkOutcome } from '../mixing/talk.js'
import { serve } from '../program.js'

/** The targets of the mixing test, in a process of their own. */

const sockets = new Set<Socket>()
const faults: string[] = []
const talks = new Map<number, Promise<TalkOutcome>>()
let bytes = 0

const planFor = (request: IncomingMessage): Plan => planOf(Number(/\d+$/.exec(request.url!)![0]))

async function exchange (request: IncomingMessage, response: ServerResponse): Promise<void> {
  const plan = planFor(request)
  const { kind, ending, parts } = plan
  const { socket } = request
  const until = ending?.by === 'target' ? ending.at : Infinity
  const uploaded = kind === 'download' ? Promise.resolve(undefined) : readBody(plan, 'client', request, kind === 'upload' ? until : Infinity)
  uploaded.then(read => {
    bytes += read?.bytes ?? 0
    if (read?.fault !== undefined) faults.push(read.fault)
  }, () => {})
  response.on('error', () => {})
  if (kind === 'upload') {
    const { whole } = (await uploaded)!
    if (until < parts.client.size) reset(socket)
    // The rest may be that of a client that has left.
    else response.end(whole ? 'all of it' : 'not all of it')
    return
  }
  if (parts.target.sized) response.setHeader('content-length', parts.target.size)
  await writeBody(plan, 'target', response, until, async () => { await uploaded })
  if (until < parts.target.size) reset(socket)
  else response.end()
}

const webSockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 0 })

function serverFor (pem?: Pem): Server {
  const options = { requestTimeout: 0, keepAliveTimeout: 600_000 }
  const server = pem === undefined ? createServer(options) : createTlsServer({ ...options, ...pem }) as unknown as Server
  server.on('request', (request, response) => { exchange(request, response).catch(error => { faults.push(String(error)) }) })
  server.on('upgrade', (request, socket: Socket, head) => {
    const plan = planFor(request)
    webSockets.handleUpgrade(request, socket, head, webSocket => { talks.set(plan.number, talk(plan, 'target', webSocket, socket)) })
  })
  const keep = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  }
  return server.on('connection', keep).on('secureConnection', keep)
}

const answers = {
  /** Listens in every way; gives the URLs. */
  async start ({ folder, ...pem }: Pem & { folder: string }): Promise<Record<Leg, string>> {
    return {
      tcp: targetUrl(await listening(serverFor())),
      tls: targetUrl({ ...await listening(serverFor(pem)), tls: true }),
      unix: targetUrl(await listening(serverFor(), join(folder, 'target.sock')))
    }
  },

  /** How a session went for its target, when it is over. */
  async outcome (number: number): Promise<TalkOutcome | undefined> {
    const outcome = await talks.get(number)
    talks.delete(number)
    return outcome
  },

  /** What was wrong until now, and the bytes of all bodies. */
  report: (): { faults: string[], bytes: number } => ({ faults, bytes }),

  /** Ends all connections. */
  drop (): void {
    for (const socket of sockets) socket.destroy()
  }
}

export type MixingTargetsResponses = typeof answers
serve(answers)
