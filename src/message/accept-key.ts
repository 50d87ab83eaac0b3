import { hash } from 'node:crypto'

/** Sec-WebSocket-Accept for a key (RFC 6455 §4.2.2). */
export function acceptOf (key: string): string {
  return hash('sha1', `${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`, 'base64')
}
