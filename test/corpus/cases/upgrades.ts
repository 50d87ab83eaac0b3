import { HIDDEN, NEXT, replaced, request, UPGRADE, type Case } from '../case.js'

/** Requests that want to be more than HTTP. No byte behind one goes on before the target has said 101. */

const refused: Case[] = [
  ['a wrong version', 'GET /t/refuse-426', replaced(UPGRADE, 'Sec-WebSocket-Version', 'Sec-WebSocket-Version: 1337'), 426],
  ['no version', 'GET /t/refuse-426', replaced(UPGRADE, 'Sec-WebSocket-Version'), 426],
  ['two versions', 'GET /t/refuse-426', [...UPGRADE, 'Sec-WebSocket-Version: 8'], 426],
  ['no key', 'GET /t/good-101', replaced(UPGRADE, 'Sec-WebSocket-Key'), 400],
  ['a short key', 'GET /t/good-101', replaced(UPGRADE, 'Sec-WebSocket-Key', 'Sec-WebSocket-Key: YQ=='), 400],
  ['two keys', 'GET /t/good-101', [...UPGRADE, UPGRADE[3]!], 400],
  ['a protocol twice', 'GET /t/good-101', [...UPGRADE, 'Sec-WebSocket-Protocol: a, a'], 400],
  ['two Hosts', 'GET /t/good-101', ['Host: a', 'Host: b', ...UPGRADE], 400],
  ['a hook says 401', 'GET /t/401', UPGRADE, 401],
  ['the target is dead', 'GET /dead/a', UPGRADE, 502],
  ['there is no route', 'GET /404', UPGRADE, 404],
  ['a path with dots', 'GET /t/../own', UPGRADE, 400],
  ['the absolute form with credentials', 'GET http://user@evil.test/t/good-101', UPGRADE, 400],
  ['a fragment', 'GET /t/good-101#/x', UPGRADE, 400],
  ['a handler of the app', 'GET /own', UPGRADE, 200]
].map(([name, start, lines, status]) => ({ name: `a handshake, ${name as string}: nothing behind it goes on`, send: request(start as string, lines as string[]) + HIDDEN, expect: [status as number] }))

/** The target has seen these. */
const met: Case[] = [
  { name: 'a handshake that the target refuses', send: request('GET /t/refuse-426', UPGRADE) + HIDDEN, expect: [426], unanswered: ['GET /t/refuse-426'] },
  { name: 'a handshake that the target takes for a request', send: request('GET /t/a', UPGRADE) + HIDDEN, expect: ['GET /t/a'] },
  { name: 'a handshake that the target answers with a bare 101', send: request('GET /t/bare-101', UPGRADE) + HIDDEN, expect: [502], unanswered: ['GET /t/bare-101'] },
  { name: 'a 101 to a GET that asks for none', send: request('GET /t/good-101') + NEXT, expect: [502, 'GET /t/next'], unanswered: ['GET /t/good-101'] },
  { name: 'a bare 101 to a GET that asks for none', send: request('GET /t/bare-101') + NEXT, expect: [502, 'GET /t/next'], unanswered: ['GET /t/bare-101'] },
  { name: 'a 101 to a POST', send: request('POST /t/good-101', ['Content-Length: 5'], 'hello') + NEXT, expect: [502, 'GET /t/next'], unanswered: ['POST /t/good-101 hello'] },
  { name: 'a 101 to a POST that asks for it', send: request('POST /t/good-101', [...UPGRADE, 'Content-Length: 5'], 'hello') + NEXT, expect: [400], may: ['GET /t/next'] },
  { name: 'a 101 to a HEAD', send: request('HEAD /t/good-101') + NEXT, head: true, expect: [502, 'GET /t/next'], unanswered: ['HEAD /t/good-101'] },
  { name: 'a 101 to a handshake on a route without WebSockets', send: request('GET /http/good-101', UPGRADE), expect: [502], unanswered: ['GET /http/good-101'] },
  { name: 'a 101 to a handshake of HTTP/1.0', send: ['GET /t/good-101 HTTP/1.0', 'Host: a', ...UPGRADE, '', ''].join('\r\n') + HIDDEN, expect: [400] }
]

const bodies: Case[] = [
  { name: 'a handshake with a body', send: request('GET /t/good-101', [...UPGRADE, `Content-Length: ${HIDDEN.length}`], HIDDEN), expect: [400] },
  { name: 'a handshake with chunks', send: request('GET /t/good-101', [...UPGRADE, 'Transfer-Encoding: chunked'], `${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n0\r\n\r\n`), expect: [400] },
  { name: 'a handshake with a length of 0', send: request('GET /t/refuse-426', [...UPGRADE, 'Content-Length: 0']) + HIDDEN, expect: [426], unanswered: ['GET /t/refuse-426'] },
  { name: 'a handshake with two lengths', send: request('GET /t/good-101', [...UPGRADE, 'Content-Length: 0', 'Content-Length: 5'], 'hello'), expect: [400] },
  { name: 'a handshake with CL.TE', send: request('GET /t/good-101', [...UPGRADE, 'Content-Length: 5', 'Transfer-Encoding: chunked'], '0\r\n\r\n'), expect: [400] },
  { name: 'a handshake by POST', send: request('POST /t/good-101', UPGRADE) + HIDDEN, expect: [400], may: ['GET /t/hidden'] },
  { name: 'a handshake that expects 100', send: request('GET /t/refuse-426', [...UPGRADE, 'Expect: 100-continue']) + HIDDEN, expect: [426], unanswered: ['GET /t/refuse-426'], or: [[100, 426]] }
]

/**
 * Upgrades to what is no WebSocket are ignored: RFC 9110 §7.8. Where Node reads on by itself (22.21, 24.9), it drops
 * what has come in one packet behind the body, so that the response is the last of its connection.
 */
const others: Case[] = [
  ['h2c', ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__']],
  ['TLS', ['Connection: Upgrade', 'Upgrade: TLS/1.0']],
  ['something unknown', ['Connection: upgrade', 'Upgrade: foo/2']],
  ['nothing', ['Connection: upgrade']],
  ['an empty text', ['Connection: upgrade', 'Upgrade:']],
  ['a WebSocket that Connection does not list', ['Upgrade: foo']]
].map(([name, lines]) => ({ name: `an upgrade to ${name as string} with a body`, send: [request('POST /t/a', [...lines as string[], `Content-Length: ${HIDDEN.length}`], HIDDEN), NEXT], expect: [`POST /t/a ${HIDDEN}`, 'GET /t/next'], or: [[`POST /t/a ${HIDDEN}`]] }))

/** A request before a handshake is still being answered when that comes. */
const behind: Case[] = [
  { name: 'a handshake behind a request', send: request('GET /t/a') + request('GET /t/refuse-426', UPGRADE) + HIDDEN, expect: [], or: [['GET /t/a'], ['GET /t/a', 426]], may: ['GET /t/a', 'GET /t/refuse-426'] },
  { name: 'a handshake behind a 404', send: request('GET /404') + request('GET /t/refuse-426', UPGRADE) + HIDDEN, expect: [404], or: [[], [404, 426]], may: ['GET /t/refuse-426'] },
  { name: 'a handshake behind a handshake', send: request('GET /t/refuse-426', UPGRADE) + request('GET /t/hidden', UPGRADE), expect: [426], unanswered: ['GET /t/refuse-426'] },
  { name: 'h2c behind a request', send: request('GET /t/a') + request('GET /t/b', ['Connection: Upgrade', 'Upgrade: h2c']), expect: ['GET /t/a', 'GET /t/b'], or: [['GET /t/a'], []], may: ['GET /t/a', 'GET /t/b'] }
]

export const upgrades: Case[] = [...refused, ...met, ...bodies, ...others, ...behind]
