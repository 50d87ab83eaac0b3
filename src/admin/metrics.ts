import type { FastifyInstance } from 'fastify'
import { openMetricsOf } from '../observers/metrics.js'
import type { AdminSource } from './source.js'

/** Serves the metrics, in the format of OpenMetrics where it is asked for, as Prometheus does. */
export function serveMetrics (app: FastifyInstance, source: AdminSource): void {
  app.get('/metrics', { schema: { tags: ['metrics'], summary: 'Metrics for Prometheus.', produces: ['text/plain', 'application/openmetrics-text'] } }, async (request, reply) => {
    const registry = await source.metrics()
    const chosen = request.headers.accept?.includes('application/openmetrics-text') === true ? openMetricsOf(registry) : registry
    return await reply.type(chosen.contentType).send(await chosen.metrics())
  })
}
