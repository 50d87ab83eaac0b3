import { randomBytes } from 'node:crypto'

/** Frames and handshakes made once and sent again and again: the load must cost less than what it measures. */

const headerLength = (size: number) => size < 126 ? 2 : size < 65_536 ? 4 : 10

/** A whole binary message in one frame. */
export function messageFrame (size: number, masked: boolean): Buffer {
  const header = headerLength(size)
  const frame = Buffer.alloc(header + (masked ? 4 : 0) + size, 'sluice')
  frame[0] = 0x82
  frame[1] = masked ? 0x80 : 0
  if (header === 2) {
    frame[1] |= size
  } else if (header === 4) {
    frame[1] |= 126
    frame.writeUInt16BE(size, 2)
  } else {
    frame[1] |= 127
    frame.writeBigUInt64BE(BigInt(size), 2)
  }
  if (masked) randomBytes(4).copy(frame, header)
  return frame
}

/** A Close with code 1000. */
export function closeFrame (masked: boolean): Buffer {
  return masked ? Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]) : Buffer.from([0x88, 0x02, 0x03, 0xe8])
}

/** A handshake as a browser sends it. */
export function handshake (path: string, port: number): Buffer {
  return Buffer.from([
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36',
    'Accept-Language: en',
    'Accept-Encoding: gzip, deflate, br',
    'Cache-Control: no-cache',
    `Origin: http://127.0.0.1:${port}`,
    'Cookie: session=0123456789abcdef',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    '', ''
  ].join('\r\n'))
}
