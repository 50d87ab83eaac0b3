import * as fastifyModule from 'fastify'
import type { FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify'
import { hasExchange } from '../../proxy/exchange.js'

/**
 * Fastify's own lines, one a request, for those that reach no proxied route; the others have a line of ours. Where
 * Fastify is older than 5.12, such requests have none.
 *
 * @param accessLog Whether there are such lines at all.
 */
export function requestLog (accessLog: boolean): FastifyServerOptions {
  const { LogController } = fastifyModule as Partial<typeof fastifyModule>
  if (LogController === undefined) return { disableRequestLogging: true }
  if (!accessLog) return { logController: new LogController({ disableRequestLogging: true }) }
  class RequestLog extends LogController {
    override incomingRequest (): void {}
    override routeNotFound (): void {}

    override requestCompleted (error: Error | null | undefined, request: FastifyRequest, reply: FastifyReply): void {
      if (hasExchange(request)) return
      const line = { req: request, res: reply, responseTime: reply.elapsedTime }
      if (error == null) reply.log.info(line, 'request completed')
      else reply.log.error({ ...line, err: error }, 'request errored')
    }

    override defaultErrorLog (error: Error, request: FastifyRequest, reply: FastifyReply): void {
      if (!hasExchange(request)) super.defaultErrorLog(error, request, reply)
    }

    override streamError (error: Error, request: FastifyRequest, reply: FastifyReply): void {
      if (!hasExchange(request)) super.streamError(error, request, reply)
    }
  }
  return { logController: new RequestLog() }
}
