import type { FastifyInstance } from 'fastify'
import { metrics, openMetricsOf } from '../observers/metrics.js'
import type { AdminHost } from './host.js'

/** Serves the metrics, in the format of OpenMetrics where it is asked for, as Prometheus does. */
export function serveMetrics (app: FastifyInstance, host: AdminHost): void {
  const registry = metrics(() => host.gateway)
  const openMetrics = openMetricsOf(registry)
  app.get('/metrics', { schema: { tags: ['metrics'], summary: 'Metrics for Prometheus.', produces: ['text/plain', 'application/openmetrics-text'] } }, async (request, reply) => {
    const chosen = request.headers.accept?.includes('application/openmetrics-text') === true ? openMetrics : registry
    return await reply.type(chosen.contentType).send(await chosen.metrics())
  })
}
