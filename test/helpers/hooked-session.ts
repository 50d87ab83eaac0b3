import type { Test } from 'tap'
import type { MessageOptions } from '../../src/index.js'
import { checkEnd, openSession, type GatewaySettings, type OpenSession } from './gateway.js'
import { closing, frame, masked, type Teardown } from './wire.js'

/** A session with hooks for its messages. */
export function openHooked (t: Teardown, messages: MessageOptions, websocket: object = {}, settings: Partial<GatewaySettings> & { headers?: Record<string, string>, answer?: string[] } = {}): Promise<OpenSession> {
  return openSession(t, { route: { websocket: { closeTimeout: 200, messages, ...websocket } }, ...settings })
}

/** Ends a session from the client's side. */
export async function endByClient (t: Parameters<typeof checkEnd>[0], session: OpenSession): Promise<void> {
  const { client, server } = session
  client.write(masked(0x88, closing(1000)))
  await server.close()
  server.write(frame(0x88, closing(1000))).end()
  await client.close()
  client.end()
  await checkEnd(t, session, { by: 'client', reason: 'close', code: 1000 })
}

/**
 * Has both sides respond to the Close frames of the gateway.
 *
 * @param closes What they are sent, as code and reason.
 * @param expected Of the session's log line.
 */
export async function endByGateway (t: Test, session: OpenSession, closes: { server: string, client: string }, expected: object): Promise<void> {
  const { client, server } = session
  t.equal(await server.close(), closes.server)
  t.equal(await client.close(), closes.client)
  const code = Number(closes.server.split(' ')[0])
  client.write(masked(0x88, closing(code))).end()
  server.write(frame(0x88, closing(code))).end()
  await checkEnd(t, session, expected)
}

/** Resolves when the gateway has read so many bytes of the client. */
export async function readByGateway ({ gateway }: OpenSession, bytes: number): Promise<void> {
  while (gateway.app.gateway.sessions.list()[0]!.fromClient.bytes < bytes) await new Promise(resolve => setImmediate(resolve))
}
