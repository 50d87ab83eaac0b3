import { join } from 'node:path'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import sluice from '../../../src/index.js'
import type { Address, Pem } from '../addresses.js'
import { LEGS, type Leg } from '../mixing/plan.js'
import { serve } from '../program.js'
import { usage } from '../usage.js'

/** The gateway of the mixing test, in a process of its own: the same routes behind each listener. */

const apps: FastifyInstance[] = []

async function start (leg: Leg, { key, cert, folder, targets }: Pem & { folder: string, targets: Record<Leg, string> }): Promise<Address> {
  const app = Fastify((leg === 'tls' ? { https: { key, cert } } : {}) as FastifyServerOptions) as unknown as FastifyInstance
  apps.push(app)
  await app.register(sluice)
  for (const target of LEGS) {
    app.upstream(target, { targets: [targets[target]], tls: { ca: cert } })
    app.proxy(`/${target}/*`, { upstream: target, websocket: true })
    app.proxy(`/hooked/${target}/*`, { upstream: target, websocket: true, stripPrefix: '/hooked', onSend: async (_request, reply) => { reply.header('x-hooked', '1') } })
  }
  const path = join(folder, 'gateway.sock')
  const url = await app.listen(leg === 'unix' ? { path } : { port: 0, host: '127.0.0.1' })
  return leg === 'unix' ? { path } : { port: Number(new URL(url).port), tls: leg === 'tls' }
}

const answers = {
  /** Listens in every way; gives the addresses. */
  async start (settings: Pem & { folder: string, targets: Record<Leg, string> }): Promise<Record<Leg, Address>> {
    return { tcp: await start('tcp', settings), tls: await start('tls', settings), unix: await start('unix', settings) }
  },

  usage,

  /** Bytes of memory that it has by now. */
  resident (): number {
    return process.memoryUsage.rss()
  },

  async close (): Promise<void> {
    await Promise.all(apps.map(async app => await app.close()))
  }
}

export type MixingGatewayResponses = typeof answers
serve(answers)
