import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import type { AdminSource } from './source.js'

const Health = Type.Object({ status: Type.String() })

/** What supervisors and balancers ask. */
export function serveHealth (app: FastifyInstance, source: AdminSource): void {
  app.get('/healthz', { schema: { tags: ['health'], summary: 'Whether the process responds: 200 as long as it does.', response: { 200: Health } } }, () => ({ status: 'ok' }))
  app.get('/readyz', {
    schema: { tags: ['health'], summary: 'Whether it is to be sent traffic: 200 while it serves, 503 before and as soon as it is to stop.', response: { 200: Health, 503: Health } }
  }, (_request, reply) => {
    const { state } = source
    return reply.code(state === 'serving' ? 200 : 503).send({ status: state })
  })
}
