import { createHash } from 'node:crypto'
import type { Pick } from '../../helpers/random.js'
import { handshake } from '../../helpers/raw-client.js'
import { garbage, chance, one, size } from './random-bytes.js'
import { names, prefixOf, webSocketNames, type TargetKind } from './routes.js'

const METHODS = ['GET', 'GET', 'GET', 'HEAD', 'POST', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'PURGE', 'TRACE', 'CONNECT', 'get', 'FOO']
const HOSTS = ['a', 'gateway.test', 'a:80', '127.0.0.1', '[::1]:8080', 'A.B', 'a:b', 'a b', '', 'a@b', 'a/b', '[::1', 'a,b', 'x'.repeat(300)]
const LINES = [
  'Accept: */*', 'Cookie: a=1; b=2', 'Authorization: Bearer x', 'Authorization: NTLM x', 'Connection: close', 'Connection: keep-alive', 'Connection: X-A, close', 'X-A: 1', 'X_User_Id: 1',
  'Content-Type: application/json', 'Content-Type: x', 'TE: trailers', 'TE: gzip', 'Trailer: X-T', 'Upgrade: h2c', 'Connection: Upgrade', 'Upgrade: websocket', 'Range: bytes=0-1',
  'If-None-Match: *', 'X-Forwarded-For: 1.2.3.4', 'Forwarded: for=x', 'Via: 1.1 x', 'Max-Forwards: 0', 'X-Latin: \xe9\xff', 'X-Empty:', 'Proxy: x', 'Keep-Alive: 1', 'Origin: http://a', 'Expect: 100-continue', 'Expect: x'
]

/** The path of a request to a target of this kind. That of one that misbehaves says how. */
export function pathTo (pick: Pick, kind: TargetKind, name: string, token: string): string {
  return `${prefixOf(kind, name)}/b${pick(2 ** 31)}/${token}`
}

/** A request that is nearly always right. */
export function request (pick: Pick, kind: TargetKind, token: string): Buffer {
  if (chance(pick, 8)) return Buffer.from(handshake({ path: pathTo(pick, kind, one(pick, names), token) }))
  const method = one(pick, METHODS)
  const path = pathTo(pick, kind, one(pick, names), token) + one(pick, ['', '', '', '?a=b', '?token=secret&x=%ff', '/%2F/..', '//x', '/%e9;a=1', '?'])
  const target = one(pick, [path, path, path, path, path, path, `http://a${path}`, `HTTPS://b:443${path}`, '*', 'a:443', path.slice(1)])
  const lines = [`${method} ${target} HTTP/1.${chance(pick, 90) ? 1 : 0}`]
  if (chance(pick, 97)) lines.push(`Host: ${one(pick, chance(pick, 80) ? ['a', 'gateway.test'] : HOSTS)}`)
  for (let count = pick(4); count > 0; count--) lines.push(one(pick, LINES))
  if (chance(pick, 5)) lines.push(...Array<string>(1 + pick(150)).fill(`X-Long: ${'x'.repeat(pick(300))}`))
  const [framing, body] = framed(pick, token)
  if (chance(pick, method === 'POST' ? 95 : 30)) lines.push(...framing, '', body)
  else lines.push('', '')
  return Buffer.from(lines.join('\r\n'), 'latin1')
}

/** The headers and the bytes of a body. */
function framed (pick: Pick, token: string): [lines: string[], bytes: string] {
  const body = `${token} `.repeat(size(pick, chance(pick, 10) ? 20_000 : 100))
  if (chance(pick, 40)) return [[`Content-Length: ${body.length}`], body]
  const trailer = chance(pick, 20) ? one(pick, ['X-T: 1\r\n', 'Content-Length: 1\r\n', `X-T: ${token}\r\nX-U: 2\r\n`]) : ''
  return [['Transfer-Encoding: chunked'], chunks(pick, body) + `0\r\n${trailer}\r\n`]
}

function chunks (pick: Pick, body: string): string {
  let text = ''
  for (let at = 0; at < body.length;) {
    const chunk = body.slice(at, at += 1 + size(pick, 4000))
    text += `${chunk.length.toString(16)}${chance(pick, 5) ? ';a=b' : ''}\r\n${chunk}\r\n`
  }
  return text
}

export interface CheckedRequest { bytes: Buffer, method: string, expected: string }

/** A request that is right, with the body of its response. */
export function checkedRequest (pick: Pick, token: string): CheckedRequest {
  const method = one(pick, ['GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS'])
  const name = one(pick, names)
  const sent = method === 'GET' || method === 'HEAD' ? Buffer.alloc(0) : garbage(pick, size(pick, name === 'limit' ? 1000 : 30_000))
  const lines = [`${method} ${pathTo(pick, 'pure', name, token)} HTTP/1.1`, 'Host: a']
  const parts: Buffer[] = []
  if (sent.length > 0 && chance(pick, 50)) {
    lines.push('Transfer-Encoding: chunked', '', '')
    for (let at = 0; at < sent.length;) {
      const chunk = sent.subarray(at, at += 1 + size(pick, 8000))
      parts.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n'))
    }
    parts.push(Buffer.from('0\r\n\r\n'))
  } else {
    if (sent.length > 0) lines.push(`Content-Length: ${sent.length}`)
    lines.push('', '')
    parts.push(sent)
  }
  const hash = createHash('md5').update(sent).digest('hex')
  return { bytes: Buffer.concat([Buffer.from(lines.join('\r\n')), ...parts]), method, expected: `${token} ${method} ${sent.length} ${hash}` }
}

/** A handshake for a route that WebSockets pass. */
export function handshakeBytes (pick: Pick, kind: TargetKind, token: string): Buffer {
  const lines = ['Sec-WebSocket-Protocol: a, b', 'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits', 'Origin: http://a', 'X-Latin: \xe9', 'Cookie: a=1'].filter(() => chance(pick, 10))
  return Buffer.from(handshake({ path: pathTo(pick, kind, one(pick, webSocketNames), token), lines: kind === 'pure' ? [] : lines }), 'latin1')
}

/** One response. */
export interface Response { status: number, body: string }

/**
 * The final responses to requests of these methods at the beginning of some bytes, as far as they are whole, and the
 * rest. Bytes that begin no response throw.
 */
export function responsesIn (bytes: Buffer, methods: string[]): { responses: Response[], rest: Buffer } {
  const responses: Response[] = []
  let rest = bytes
  while (responses.length < methods.length && rest.length > 0) {
    const end = rest.indexOf('\r\n\r\n') + 4
    if (end < 4) break
    const head = rest.toString('latin1', 0, end)
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1])
    if (Number.isNaN(status)) throw new Error(`not a response: ${JSON.stringify(head.slice(0, 200))}`)
    if (status >= 100 && status < 200) {
      rest = rest.subarray(end)
      continue
    }
    const body = bodyIn(rest.subarray(end), head, methods[responses.length] === 'HEAD')
    if (body === undefined) break
    responses.push({ status, body: body.text })
    rest = rest.subarray(end + body.length)
  }
  return { responses, rest }
}

function bodyIn (rest: Buffer, head: string, none: boolean): { text: string, length: number } | undefined {
  if (none) return { text: '', length: 0 }
  const length = /^content-length: (\d+)\r$/im.exec(head)?.[1]
  if (length !== undefined) return rest.length < Number(length) ? undefined : { text: rest.toString('latin1', 0, Number(length)), length: Number(length) }
  if (!/^transfer-encoding: chunked\r$/im.test(head)) throw new Error(`not framed: ${JSON.stringify(head)}`)
  let text = ''
  for (let at = 0; ;) {
    const line = rest.indexOf('\r\n', at)
    if (line < 0) return undefined
    const size = Number.parseInt(rest.toString('latin1', at, line), 16)
    at = line + 2 + size + 2
    if (rest.length < at) return undefined
    if (size === 0) return { text, length: at }
    text += rest.toString('latin1', line + 2, line + 2 + size)
  }
}
