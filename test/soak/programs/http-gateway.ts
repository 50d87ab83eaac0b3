import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import sluice from '../../../src/index.js'
import { serve } from '../program.js'
import { usage, type Usage } from '../usage.js'

/** The gateway of the HTTP soak, in a process of its own, whose descriptors and heap are nobody else's. */

/** How many requests Fastify's log lines tell the beginning and the end of, and how many the onResponse hook has seen. */
const told = { begun: 0, completed: 0, answered: 0 }
const write = (line: string): void => {
  const { msg } = JSON.parse(line) as { msg: string }
  if (msg === 'incoming request') told.begun++
  else if (msg === 'request completed') told.completed++
}

const app = Fastify({ logger: { level: 'info', stream: { write } }, keepAliveTimeout: 5_000 })

const answers = {
  /** Listens; gives the port. */
  async start ({ target, unreachable }: { target: string, unreachable: string }): Promise<number> {
    await app.register(sluice)
    app.upstream('main', { targets: [target] })
    app.upstream('unreachable', { targets: [unreachable] })
    app.addHook('onResponse', async () => { told.answered++ })
    app.proxy('/unreachable', { upstream: 'unreachable' })
    // A response takes another way where there are onSend hooks.
    app.proxy('/hooked/*', { upstream: 'main', stripPrefix: '/hooked', onSend: async (_request, reply) => { reply.header('x-hooked', '1') } })
    app.proxy('/*', { upstream: 'main' })
    await app.listen({ port: 0, host: '127.0.0.1' })
    return (app.server.address() as AddressInfo).port
  },

  /** What it holds, after a thorough collection of garbage. */
  async usage (): Promise<Usage & { told: typeof told }> {
    return { ...await usage(), told }
  },

  /** Bytes of memory that it has by now. */
  resident (): number {
    return process.memoryUsage.rss()
  },

  async close (): Promise<void> {
    await app.close()
  }
}

export type HttpGatewayResponses = typeof answers
serve(answers)
