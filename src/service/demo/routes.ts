import { setTimeout } from 'node:timers/promises'
import websocket from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import { isOfThisMachine, isOriginOf } from '../../admin/guard.js'
import { DemoForbiddenError } from '../../errors.js'
import type { WebSocketSession } from '../../types.js'
import { DemoFeed } from './feed.js'
import { FEED_PATH, SOCKET_PATH } from './protocol.js'

/** Everything that has no route of its own, the page included. */
const ALL = '/*'
/** Messages a second that a page may send for long, and twice as many at once. */
const RATE = 10
/** Payload of its longest message. */
const MAX_MESSAGE = 65_536
/** Milliseconds that pages get for the lines of their sessions when the gateway stops. */
const LAST_LINES = 1_000

/** Sends everything to the upstream 'demo', but for the page's feed, which ends here. */
export async function serveDemo (app: FastifyInstance): Promise<void> {
  const { sessions } = app.gateway
  const feed = new DemoFeed([ALL, SOCKET_PATH], RATE, () => {
    // Not drain(), after which the gateway would refuse every handshake.
    sessions.close(1012, 'service restart', isOfDemo)
  })
  app.gateway.observe(feed)

  await app.register(websocket, {
    options: { maxPayload: 1_024 },
    // When the gateway stops, pages get the lines of their sessions first.
    preClose: async () => {
      if (sessions.stopping) await Promise.race([Promise.all(sessions.list(isOfDemo).map(ended)), setTimeout(LAST_LINES, undefined, { ref: false })])
      feed.close()
    }
  })
  app.addHook('onRequest', async ({ headers: { host = '', origin } }) => {
    // Pages under a name that was made to point here would be of this origin (DNS rebinding).
    if (!isOfThisMachine(host)) throw new DemoForbiddenError(`Host '${host}' is neither an address nor localhost`)
    if (origin !== undefined && !isOriginOf(origin, host)) throw new DemoForbiddenError('a page of another origin may not use the demo')
  })

  app.proxy(SOCKET_PATH, {
    upstream: 'demo',
    websocket: { messageRate: { messages: RATE, burst: 2 * RATE }, maxMessageSize: MAX_MESSAGE, onRemoved: 'close' }
  })
  app.proxy(ALL, { upstream: 'demo', websocket: true })

  app.get(FEED_PATH, { websocket: true }, socket => feed.add(socket))
}

function isOfDemo ({ upstream }: WebSocketSession): boolean {
  return upstream === 'demo'
}

function ended ({ signal }: WebSocketSession): Promise<void> {
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
}
