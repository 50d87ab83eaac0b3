import type { Deflate } from '../../message/extensions.js'
import type { WebSocketSession } from '../../types.js'
import type { SessionOptions } from '../route.js'
import type { MessageHandling } from '../relay/message-direction.js'
import { Inspector } from './inspector.js'

/** How a session's messages are dealt with; undefined for a side whose bytes are relayed as they come. */
export function messageHandling ({ messages, reconnect }: SessionOptions, session: WebSocketSession, deflate: Deflate | undefined): { fromClient: MessageHandling | undefined, fromTarget: MessageHandling | undefined } | undefined {
  if (messages === undefined && reconnect === undefined) return undefined
  const handling = (from: 'fromClient' | 'fromTarget'): MessageHandling | undefined => {
    const hooks = messages?.[from] ?? []
    if (hooks.length === 0) return reconnect === undefined ? undefined : { inspect: undefined, maxSize: reconnect.bufferSize, maxPending: Infinity }
    const { maxSize, maxPending, timeout } = messages!
    const { inspect } = new Inspector({ hooks, session, deflate, toServer: from === 'fromClient', maxSize, timeout })
    return { inspect, maxSize, maxPending }
  }
  return { fromClient: handling('fromClient'), fromTarget: handling('fromTarget') }
}
