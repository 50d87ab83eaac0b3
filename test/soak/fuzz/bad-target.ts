import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import type { Pick } from '../../helpers/random.js'
import { acceptOf } from '../../../src/message/accept-key.js'
import { frames } from './frame-bytes.js'
import { send } from './pieces.js'
import { chance, garbage, mutated, one, size } from './random-bytes.js'

/** A target that does with a request what its seed says. Whatever it sends bears the request's token. */
export async function misbehave (pick: Pick, request: IncomingMessage, socket: Socket, token: string, upgrade: boolean): Promise<void> {
  if (chance(pick, 85)) request.resume()
  if (chance(pick, 20)) await wait(pick(30))
  if (upgrade && chance(pick, 75)) await switchProtocols(pick, request, socket, token)
  else await respond(pick, request, socket, token)
}

async function respond (pick: Pick, request: IncomingMessage, socket: Socket, token: string): Promise<void> {
  const valid = response(pick, token)
  switch (pick(12)) {
    case 0: break
    case 1: await send(pick, socket, Buffer.concat([...interim(pick, token), valid])); break
    case 2: await send(pick, socket, garbage(pick, size(pick, 2000))); break
    case 3: await send(pick, socket, hugeHead(pick, token)); break
    case 4: await big(pick, socket, token); return
    case 5: await late(pick, request, socket, token); return
    // Behind its end there is more.
    case 6: await send(pick, socket, Buffer.concat([valid, one(pick, [valid, Buffer.from(token), garbage(pick, 10)])])); break
    case 7: await send(pick, socket, Buffer.from(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\nX-Token: ${token}\r\n\r\n${token}`)); break
    case 8: case 9: await send(pick, socket, valid); break
    default: await send(pick, socket, mutated(pick, valid)); break
  }
  await finish(pick, socket)
}

/** A good response, framed in one of the ways. */
function response (pick: Pick, token: string): Buffer {
  const status = one(pick, ['200 OK', '200 OK', '200 OK', '200', '204 No Content', '206 Partial Content', '301 Moved', '304 Not Modified', '404 Not Found', '426 Upgrade Required', '500 Oh\xe9', '599 Odd', '999 Odd'])
  const lines = [`HTTP/1.${chance(pick, 90) ? 1 : 0} ${status}`, `X-Token: ${token}`]
  for (const line of ['Connection: close', 'Keep-Alive: timeout=1', `Set-Cookie: a=${token}; Path=/; Domain=a`, `Location: /${token}`, 'Content-Disposition: attachment; filename="\xe9"', 'WWW-Authenticate: NTLM', 'Content-Encoding: gzip', 'Connection: X-Token', 'Upgrade: h2c', 'Trailer: X-Trailer', 'Content-Type: text/event-stream', 'Date: x', 'Empty:']) {
    if (chance(pick, 8)) lines.push(line)
  }
  const body = `${token} `.repeat(size(pick, 300))
  let sent = body
  switch (pick(5)) {
    case 0: break
    case 1: case 2: lines.push(`Content-Length: ${body.length}`); break
    default:
      lines.push('Transfer-Encoding: chunked')
      sent = chunked(pick, body)
      if (chance(pick, 10)) lines.push(`Content-Length: ${body.length}`)
  }
  return Buffer.from([...lines, '', sent].join('\r\n'), 'latin1')
}

function chunked (pick: Pick, body: string): string {
  let text = ''
  for (let at = 0; at < body.length;) {
    const chunk = body.slice(at, at += 1 + size(pick, 4000))
    text += `${chunk.length.toString(16)}${chance(pick, 10) ? ';ext=1' : ''}\r\n${chunk}\r\n`
  }
  return `${text}0\r\n${chance(pick, 20) ? 'X-Trailer: 1\r\n' : ''}\r\n`
}

/** Interim responses, at times a flood of them. */
function interim (pick: Pick, token: string): Buffer[] {
  const one103 = Buffer.from(`HTTP/1.1 103 Early Hints\r\nLink: </${token}>; rel=preload\r\n\r\n`)
  const one100 = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n')
  return Array<Buffer>(1 + (chance(pick, 50) ? pick(4) : pick(5000))).fill(chance(pick, 70) ? one103 : one100)
}

function hugeHead (pick: Pick, token: string): Buffer {
  const count = 1 + pick(40)
  const line = `X-Huge: ${token.repeat(1 + pick(400))}\r\n`
  return Buffer.from(`HTTP/1.1 200 OK\r\n${line.repeat(count)}${chance(pick, 60) ? 'Content-Length: 0\r\n\r\n' : ''}`)
}

/** A long body, for clients that read or do not. */
async function big (pick: Pick, socket: Socket, token: string): Promise<void> {
  const block = Buffer.alloc(65_536, `${token} `)
  const blocks = 1 + size(pick, 48)
  const announced = chance(pick, 50) ? `Content-Length: ${block.length * blocks}\r\n` : 'Connection: close\r\n'
  socket.write(`HTTP/1.1 200 OK\r\n${announced}\r\n`)
  for (let sent = 0; sent < blocks && !socket.destroyed; sent++) {
    if (!socket.write(block)) await once(socket, 'drain', { signal: AbortSignal.timeout(500) }).catch(() => {})
    if (chance(pick, 3)) return await finish(pick, socket)
  }
  if (!announced.startsWith('Content')) socket.end()
}

/** A body where there must be none, some milliseconds late; it looks like a response for the next client. */
async function late (pick: Pick, request: IncomingMessage, socket: Socket, token: string): Promise<void> {
  const head = request.method === 'HEAD' ? '200 OK' : one(pick, ['204 No Content', '304 Not Modified'])
  const body = Buffer.from(`HTTP/1.1 200 OK\r\nX-Token: ${token}\r\nContent-Length: ${token.length}\r\n\r\n${token}`)
  // Who announces nothing, and sends it late, cannot be told from a target that answers at once.
  socket.write(`HTTP/1.1 ${head}\r\nX-Token: ${token}\r\n${one(pick, [`Content-Length: ${body.length}`, 'Transfer-Encoding: chunked'])}\r\n\r\n`)
  await wait(pick(20))
  if (!socket.destroyed) socket.write(body)
}

async function switchProtocols (pick: Pick, request: IncomingMessage, socket: Socket, token: string): Promise<void> {
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Accept: ${acceptOf(String(request.headers['sec-websocket-key']))}`, `X-Token: ${token}`]
  for (const line of ['Sec-WebSocket-Protocol: a', 'Sec-WebSocket-Protocol: zz', 'Sec-WebSocket-Protocol:', 'Sec-WebSocket-Extensions: permessage-deflate', 'Content-Length: 5', 'Transfer-Encoding: chunked', 'Set-Cookie: a=1']) {
    if (chance(pick, 5)) lines.push(line)
  }
  const head = Buffer.from([...lines, '', ''].join('\r\n'))
  const behind = one(pick, [
    Buffer.alloc(0), frames(pick, token, false), frames(pick, token, false), frames(pick, token, false), garbage(pick, size(pick, 2000)),
    Buffer.from(`HTTP/1.1 500 Internal Server Error\r\nX-Token: ${token}\r\nContent-Length: 0\r\n\r\n`)
  ])
  const bytes = Buffer.concat([chance(pick, 15) ? mutated(pick, head) : head, behind])
  await send(pick, socket, bytes)
  for (let more = pick(3); more > 0 && !socket.destroyed; more--) {
    await wait(pick(60))
    await send(pick, socket, frames(pick, token, false))
  }
  if (chance(pick, 20)) socket.pause()
  await finish(pick, socket)
}

/** What becomes of the connection then. */
async function finish (pick: Pick, socket: Socket): Promise<void> {
  switch (pick(8)) {
    case 0: socket.end(); break
    case 1: socket.destroy(); break
    case 2: reset(socket); break
    case 3:
      await wait(pick(100))
      if (chance(pick, 50)) reset(socket)
      else socket.end()
      break
    case 4:
      await wait(pick(1500))
      socket.destroy()
      break
  }
}

/** RST, where there is such a thing. */
export function reset (socket: Socket): void {
  try {
    socket.resetAndDestroy()
  } catch {
    socket.destroy()
  }
}
