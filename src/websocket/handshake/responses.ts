import { validateHeaderValue } from 'node:http'
import { Socket } from 'node:net'
import type { FastifyReply } from 'fastify'
import { headerPairs, headerValues, listsToken, type HeaderList } from '../../message/headers.js'
import { reasonPhrase, type TargetResponse } from '../../message/response.js'
import { mergedHeaders, sendResponse } from '../../proxy/send-response.js'

/** A 426 must say what to upgrade to (RFC 9110 §15.5.22). */
export function nameUpgrade (reply: FastifyReply): FastifyReply {
  return reply.header('upgrade', 'websocket').header('connection', 'close, upgrade')
}

/** Sends the target's refusal to the client as it is. */
export function relayRefusal (reply: FastifyReply, response: TargetResponse, headers: HeaderList, bodyTimeout: number): FastifyReply {
  if (response.status === 426 && headerValues(response.headers, 'upgrade').some(value => listsToken(value, 'websocket'))) nameUpgrade(reply)
  const { socket } = reply.raw
  // A client that does not read stands still too, though the target may be done. A server may be given any Duplex for a
  // connection (the event 'connection' of Node's); one that is in this process has no timeout.
  if (socket instanceof Socket) socket.setTimeout(bodyTimeout, () => reply.raw.destroy())
  return sendResponse(reply, { ...response, headers })
}

/**
 * The headers of the 101 to the client: the target's, with the upgrade of this hop.
 *
 * @throws {TypeError} for a header that a hook has set and that none may be.
 */
export function headersOf101 (reply: FastifyReply, headers: HeaderList): HeaderList {
  reply.removeHeader('connection')
  const sent: HeaderList = ['Upgrade', 'websocket', 'Connection', 'Upgrade']
  const merged = mergedHeaders(reply, headers)
  for (let index = 0; index < merged.length; index += 2) {
    const name = merged[index]!
    const value = merged[index + 1]!
    // A 101 has no body (RFC 9110 §8.6), so it must not look as if it had.
    if (name.toLowerCase() === 'content-length') continue
    // A hook may have set anything.
    validateHeaderValue(name, value)
    sent.push(name, value)
  }
  return sent
}

export function headOf101 (message: string, headers: HeaderList): string {
  const lines = [`HTTP/1.1 101 ${reasonPhrase(101, message)}`, ...headerPairs(headers).map(([name, value]) => `${name}: ${value}`)]
  return `${lines.join('\r\n')}\r\n\r\n`
}
