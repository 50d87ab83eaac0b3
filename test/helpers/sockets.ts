import { connect } from 'node:net'
import { once } from 'node:events'
import { WebSocket, type ClientOptions } from 'ws'

/** A message as text. */
export async function nextMessage (socket: WebSocket): Promise<string> {
  const [data] = await once(socket, 'message') as [Buffer]
  return data.toString()
}

/** How a WebSocket ended. */
export async function closed (socket: WebSocket): Promise<{ code: number, reason: string }> {
  const [code, reason] = await once(socket, 'close') as [number, Buffer]
  return { code, reason: reason.toString() }
}

/** An open WebSocket; rejects when the handshake is refused. */
export async function openSocket (url: string, protocols: string[] = [], options: ClientOptions = {}): Promise<WebSocket> {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), protocols, options)
  await once(socket, 'open')
  return socket
}

/** The status that a handshake is refused with. */
export async function refusal (url: string, options: ClientOptions = {}): Promise<{ status: number, headers: Record<string, unknown>, body: string }> {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), options)
  socket.on('error', () => {})
  const [, response] = await once(socket, 'unexpected-response') as [unknown, import('node:http').IncomingMessage]
  response.setEncoding('utf8')
  let body = ''
  for await (const chunk of response) body += chunk
  return { status: response.statusCode!, headers: response.headers, body }
}

/** Sends raw bytes and gives all that comes back until the connection ends. */
export function rawExchange (port: number, ...parts: Array<string | Buffer>): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let answer = ''
    socket.setEncoding('latin1')
    socket.on('data', chunk => { answer += chunk })
    socket.on('end', () => resolve(answer)).on('error', reject)
    for (const part of parts) socket.write(part)
  })
}
