import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import sluice, { type SessionEnd } from '../../../src/index.js'
import type { DrainOptions } from '../../../src/websocket/sessions.js'
import { serve } from '../program.js'
import { usage, type Usage } from '../usage.js'

/** The gateway of a soak test, in a process of its own, whose descriptors and heap are nobody else's. */

/** How many sessions have ended, by whom and why. */
const ends: Record<string, number> = {}
const write = (line: string): void => {
  const { session } = JSON.parse(line) as { session?: SessionEnd }
  if (session === undefined) return
  const name = `${session.by} ${session.reason}`
  ends[name] = (ends[name] ?? 0) + 1
}

const app = Fastify({ logger: { level: 'info', stream: { write } } })
let drained: Promise<void> = Promise.resolve()

const answers = {
  /** Listens; gives the port. */
  async start ({ target, unreachable, closeTimeout }: { target: string, unreachable: string, closeTimeout: number }): Promise<number> {
    await app.register(sluice)
    app.upstream('main', { targets: [target] })
    app.upstream('unreachable', { targets: [unreachable] })
    app.proxy('/idle/*', { upstream: 'main', websocket: { closeTimeout, idleTimeout: 1000 } })
    app.proxy('/limited/*', { upstream: 'main', websocket: { closeTimeout, maxMessageSize: 1000 } })
    app.proxy('/closed/*', { upstream: 'main', websocket: { closeTimeout, onSession: session => { setImmediate(() => session.close(4000, 'enough')) } } })
    app.proxy('/unreachable/*', { upstream: 'unreachable', websocket: { closeTimeout } })
    app.proxy('/*', { upstream: 'main', websocket: { closeTimeout } })
    await app.listen({ port: 0, host: '127.0.0.1' })
    return (app.server.address() as AddressInfo).port
  },

  /** What it holds, after a thorough collection of garbage. */
  async usage (): Promise<Usage & { sessions: number, ends: Record<string, number> }> {
    return { ...await usage(), sessions: app.gateway.sessions.size, ends }
  },

  /** Begins a drain, and gives what each session (by its path) had passed in whole when it began. */
  drain (options: DrainOptions): Array<[path: string, fromClient: number, fromTarget: number]> {
    const sessions = app.gateway.sessions.list()
    drained = app.gateway.drain(options)
    return sessions.map(({ request, fromClient, fromTarget }) => [request.url, fromClient.messages, fromTarget.messages])
  },

  /** Resolves when the drain is over; gives its milliseconds from here. */
  async drained (): Promise<number> {
    const started = performance.now()
    await drained
    return Math.round(performance.now() - started)
  },

  async close (): Promise<void> {
    await app.close()
  }
}

export type GatewayResponses = typeof answers
serve(answers)
