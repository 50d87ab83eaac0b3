import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { Numbered, type Outcome } from '../numbered.js'
import { serve } from '../program.js'

/** The targets of a soak test: each connection talks in numbered messages. */

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
const listening = once(server, 'listening')
const talks = new Map<string, Numbered>()
server.on('connection', (socket, request) => { talks.set(request.url!, new Numbered(socket)) })

const answers = {
  async port (): Promise<number> {
    await listening
    return (server.address() as AddressInfo).port
  },

  /** How each connection went, when all are over. */
  async outcomes (): Promise<Array<[path: string, outcome: Outcome]>> {
    return await Promise.all([...talks].map(async ([path, talk]) => [path, await talk.over] as [string, Outcome]))
  },

  close (): void {
    server.close()
  }
}

export type TargetsResponses = typeof answers
serve(answers)
