import { Wire, type Head, type Teardown } from './wire.js'

/** The key of RFC 6455's own example. */
export const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
export const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='

/** The headers of a good handshake. */
export const HANDSHAKE: Readonly<Record<string, string>> = {
  Host: 'gateway.test',
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': KEY
}

/** A handshake as text. An empty string in `headers` takes one of the usual ones out; `lines` are added as they are. */
export function handshake ({ path = '/ws', start = `GET ${path} HTTP/1.1`, headers = {}, lines = [] }: { path?: string, start?: string, headers?: Record<string, string>, lines?: string[] } = {}): string {
  const all = Object.entries({ ...HANDSHAKE, ...headers }).filter(([, value]) => value !== '')
  return [start, ...all.map(([name, value]) => `${name}: ${value}`), ...lines, '', ''].join('\r\n')
}

/** The response to what is sent, on a connection that the gateway closes. */
export async function exchange (t: Teardown, port: number, data: string | Buffer): Promise<Head & { status: number, body: string }> {
  const client = await Wire.connect(t, port)
  client.write(data)
  const head = await client.head()
  const body = await client.rest()
  client.end()
  return { ...head, status: Number(head.start.split(' ')[1]), body }
}
