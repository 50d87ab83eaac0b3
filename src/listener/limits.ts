import type { ServerOptions } from 'node:http'
import type { Socket } from 'node:net'
import type { ConnectionError, FastifyInstance, FastifyServerOptions } from 'fastify'
import { HeadersTooLargeError, RequestTimeoutError } from '../errors.js'
import { Listener } from './listener.js'
import { withDefaults } from '../options/defaults.js'
import { ListenOptions } from '../options/index.js'
import { hasBody } from '../message/headers.js'
import { errorForClient, endWithError } from './client-errors.js'
import { SlowBodies } from './slow-bodies.js'

/** How the limits of the listener come into a Fastify app. */
export interface ListenLimits {
  /** For `fastify()`. */
  app: FastifyServerOptions
  /** For Node's server; Node documents it as a property alone. */
  keepAliveTimeout: number
  /** For Node's server, plain or with TLS. */
  server: ServerOptions
  /** Sets the rest, before anything else is added to the app. */
  install (app: FastifyInstance): void
}

/** The limits for what clients send, from the options under `listen`. */
export function listenLimits (options: ListenOptions): ListenLimits {
  const { headersTimeout, requestTimeout, minBodyRate, keepAliveTimeout, maxHeaderSize, maxHeaders } =
    withDefaults(ListenOptions, options, ['headersTimeout', 'requestTimeout', 'minBodyRate', 'keepAliveTimeout', 'maxHeaderSize', 'maxHeaders'])
  // By default Node looks every 30 s, so that a limit of 10 s may end up as 40.
  const interval = (timeout: number): number => Math.ceil(Math.min(timeout / 4, 1000))
  return {
    keepAliveTimeout,
    app: {
      // Fastify binds it to the app.
      clientErrorHandler: function (this: FastifyInstance, error: ConnectionError, socket: Socket) {
        const response = errorForClient(error, socket, maxHeaderSize)
        if (response !== undefined) return endWithError(socket, response, this.log)
        this.log.trace({ err: error }, 'connection of a client lost')
        socket.destroy()
      } as NonNullable<FastifyServerOptions['clientErrorHandler']>,
      // A parameter is as long as its target wants it; the whole head is limited anyway.
      routerOptions: { maxParamLength: maxHeaderSize }
    },
    server: {
      headersTimeout,
      // Node's own would cut a long upload, however fast it comes.
      requestTimeout: 0,
      connectionsCheckingInterval: interval(headersTimeout),
      maxHeaderSize
    },
    install (app) {
      const { lastResponses } = Listener.of(app)
      const slowBodies = requestTimeout === false
        ? undefined
        : new SlowBodies({ timeout: requestTimeout, rate: minBodyRate }, interval(requestTimeout), ({ socket }) => {
          lastResponses.give(socket, () => endWithError(socket, new RequestTimeoutError(), app.log))
        })
      app.addHook('onRequest', ({ raw }, _reply, done) => {
        if (slowBodies !== undefined && hasBody(raw.headers)) slowBodies.add(raw)
        done(raw.rawHeaders.length > 2 * maxHeaders ? new HeadersTooLargeError(`more than ${maxHeaders} of them`) : undefined)
      })
    }
  }
}
