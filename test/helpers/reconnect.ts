import { setImmediate as immediate } from 'node:timers/promises'
import type { Test } from 'tap'
import type { ReconnectOptions } from '../../src/index.js'
import { openSession, type GatewaySettings, type OpenSession } from './gateway.js'
import { goodResponse, type RawTarget } from './raw-target.js'
import type { Head, Wire } from './wire.js'

/** Options with which a test does not wait for long. */
export const QUICK: ReconnectOptions = { delay: 5, maxDelay: 20, attempts: 3 }

/** A session on a route with `reconnect`. */
export function open (t: Test, reconnect: ReconnectOptions = {}, websocket: object = {}, settings: Partial<GatewaySettings> & { headers?: Record<string, string>, answer?: string[], on?: Pick<OpenSession, 'gateway' | 'target'> } = {}): Promise<OpenSession> {
  return openSession(t, { route: { websocket: { closeTimeout: 200, reconnect: { ...QUICK, ...reconnect }, ...websocket } }, ...settings })
}

/** The next handshake of the gateway, accepted. */
export async function accept (target: RawTarget, lines: string[] = []): Promise<{ server: Wire, request: Head }> {
  const server = await target.next()
  const request = await server.head()
  server.write(goodResponse(request, lines))
  return { server, request }
}

/** Resolves when the gateway has noticed that a session has lost its target. */
export async function lost ({ gateway }: OpenSession): Promise<void> {
  const { upstreams } = gateway.app.gateway
  while (upstreams.get('main')!.load.sessions > 0) await immediate()
}
