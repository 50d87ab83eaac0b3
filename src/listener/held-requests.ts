import type { IncomingMessage } from 'node:http'

const held = new WeakMap<IncomingMessage, (request: IncomingMessage) => void>()

/**
 * Has somebody told when a request that it counts leaves HTTP without the end of a response: because its connection
 * becomes a session's, or because it is read once more.
 */
export function hold (request: IncomingMessage, onLeft: (request: IncomingMessage) => void): void {
  held.set(request, onLeft)
}

/** A request leaves HTTP. */
export function letGo (request: IncomingMessage): void {
  held.get(request)?.(request)
  held.delete(request)
}
