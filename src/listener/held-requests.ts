import type { IncomingMessage } from 'node:http'

const held = new WeakMap<IncomingMessage, (request: IncomingMessage) => void>()

/**
 * Calls back when a request leaves HTTP without the end of a response: because its connection becomes a session's, or
 * because the request is read again.
 */
export function hold (request: IncomingMessage, onLeft: (request: IncomingMessage) => void): void {
  held.set(request, onLeft)
}

/** A request leaves HTTP. */
export function letGo (request: IncomingMessage): void {
  held.get(request)?.(request)
  held.delete(request)
}
