import type { Duplex } from 'node:stream'

/** Milliseconds that a client has for seeing our end of a connection and ending its own. */
const LINGER = 1000

/**
 * Ends a connection behind its last response. Were it closed while bytes of the client are unread, such as frames
 * sent early, it would be reset, and the rest of the response lost (RFC 9112 §9.6).
 *
 * @param response What is still to be written of it.
 */
export function linger (socket: Duplex, response = ''): void {
  const timer = setTimeout(() => socket.destroy(), LINGER)
  // Once both sides have ended, the socket closes by itself.
  socket.once('close', () => clearTimeout(timer))
  socket.end(response)
  socket.resume()
}
