import { HIDDEN, NEXT, request, UPGRADE, type Case } from '../case.js'

/** Requests behind responses that come early, or from the gateway itself. */

const LATER = request('POST /t/later', ['Content-Length: 5'], 'hello')

const early: Case[] = [
  ['a 404', request('GET /404'), 404],
  ['a 404 to a body', request('POST /404', [`Content-Length: ${HIDDEN.length}`], HIDDEN), 404],
  ['a 404 to chunks', request('POST /404', ['Transfer-Encoding: chunked'], `${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n0\r\n\r\n`), 404],
  ['a 502', request('GET /dead/a'), 502],
  ['a 502 to a body', request('POST /dead/a', [`Content-Length: ${HIDDEN.length}`], HIDDEN), 502],
  ['a 502 to chunks', request('POST /dead/a', ['Transfer-Encoding: chunked'], `${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n0\r\n\r\n`), 502],
  ['a 401 of a hook', request('GET /t/401'), 401],
  ['a 401 of a hook to a body', request('POST /t/401', [`Content-Length: ${HIDDEN.length}`], HIDDEN), 401],
  ['a 401 of a hook to chunks', request('POST /t/401', ['Transfer-Encoding: chunked'], `${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n0\r\n\r\n`), 401],
  ['a 400 for the path', request('GET /t/..'), 400],
  ['a 400 for the path, to a body', request('POST /t/..', [`Content-Length: ${HIDDEN.length}`], HIDDEN), 400],
  ['a 400 for two Hosts', request('GET /t/a', ['Host: a', 'Host: b']), 400],
  ['a 400 for two Hosts, to a body', request('POST /t/a', ['Host: a', 'Host: b', `Content-Length: ${HIDDEN.length}`], HIDDEN), 400],
  ['a 200 of a handler', request('GET /own'), 200],
  ['a 200 to a HEAD', request('HEAD /t/a'), 'HEAD /t/a'],
  ['a 415', request('POST /own', ['Content-Type: x/y', `Content-Length: ${HIDDEN.length}`], HIDDEN), 415],
  ['a 204 of OPTIONS', request('OPTIONS /t/a'), 'OPTIONS /t/a']
].map(([name, first, answer]) => ({ name: `behind ${name}: two more`, send: first as string + NEXT + LATER, expect: [answer as string | number, 'GET /t/next', 'POST /t/later hello'], ...(first as string).startsWith('HEAD') && { head: true as const } }))

/** Node or Fastify ends the connection behind these; what follows is answered by nobody. */
const last: Case[] = [
  { name: 'behind a 413', send: request('POST /own', ['Content-Type: text/plain', `Content-Length: ${HIDDEN.length}`], HIDDEN) + NEXT, expect: [413], or: [[413, 'GET /t/next']] },
  { name: 'behind a 413 to chunks', send: request('POST /own', ['Content-Type: text/plain', 'Transfer-Encoding: chunked'], `${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n0\r\n\r\n`) + NEXT, expect: [413], or: [[413, 'GET /t/next']] },
  { name: 'behind a body that is no JSON', send: request('POST /own', ['Content-Type: application/json', 'Content-Length: 1'], '{') + NEXT, expect: [400], may: ['GET /t/next'] },
  { name: 'behind an early response of the target', send: request('POST /t/early-413', ['Content-Length: 5'], 'hello') + NEXT, expect: [413, 'GET /t/next'], unanswered: ['POST /t/early-413 hello'] },
  { name: 'behind Connection: close', send: request('GET /t/a', ['Connection: close']) + HIDDEN, expect: ['GET /t/a'] },
  { name: 'behind Connection: close to a body', send: request('POST /t/a', ['Connection: close', 'Content-Length: 5'], 'hello') + HIDDEN, expect: ['POST /t/a hello'] },
  { name: 'behind Connection: close to chunks', send: request('POST /t/a', ['Connection: close', 'Transfer-Encoding: chunked'], '0\r\n\r\n') + HIDDEN, expect: ['POST /t/a'] },
  { name: 'behind Connection: close to a 404', send: request('GET /404', ['Connection: close']) + HIDDEN, expect: [404] },
  { name: 'behind Connection: close to a 502', send: request('GET /dead/a', ['Connection: close']) + HIDDEN, expect: [502] },
  { name: 'behind HTTP/1.0', send: `GET /t/a HTTP/1.0\r\nHost: a\r\n\r\n${HIDDEN}`, expect: ['GET /t/a'] }
]

/** Garbage behind a request must not become, or spoil, its response. */
const garbage: Case[] = [
  ['no HTTP', 'garbage\r\n\r\n'],
  ['two lengths', request('POST /t/b', ['Content-Length: 1', 'Content-Length: 2'], 'hello')],
  ['CL.TE', request('POST /t/b', ['Content-Length: 5', 'Transfer-Encoding: chunked'], '0\r\n\r\n')],
  ['a space before a colon', request('GET /t/b', ['X : 1'])],
  ['a bare LF', 'GET /t/b HTTP/1.1\nHost: a\n\n'],
  ['a head that is too long', request('GET /t/b', [`X: ${'a'.repeat(20_000)}`])]
].map(([name, second]) => ({ name: `behind a request, ${name}`, send: request('GET /t/a') + second!, expect: ['GET /t/a', name === 'a head that is too long' ? 431 : 400], or: [['GET /t/a']] }))

/** Issue 8, item 19: once the framing of a request is in doubt, nothing behind it is served. */
const doubtful: Case[] = [
  ['two codings', request('POST /t/a', ['Transfer-Encoding: gzip, chunked'], '0\r\n\r\n'), 400],
  ['two lines', request('POST /t/a', ['Transfer-Encoding: identity', 'Transfer-Encoding: chunked'], '0\r\n\r\n'), 400],
  ['chunks of HTTP/1.0', 'POST /t/a HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
  ['two codings on a path that nobody serves', request('POST /404', ['Transfer-Encoding: gzip, chunked'], '0\r\n\r\n'), 404],
  ['two codings, refused by a hook', request('POST /t/401', ['Transfer-Encoding: gzip, chunked'], '0\r\n\r\n'), 401],
  ['two codings and an upgrade', request('POST /t/a', ['Connection: Upgrade', 'Upgrade: h2c', 'Transfer-Encoding: gzip, chunked'], '0\r\n\r\n'), 400]
].flatMap(([name, first, status]): Case[] => [
  { name: `behind ${name}: a request`, send: first as string + HIDDEN, expect: [status as number] },
  { name: `behind ${name}: a handshake`, send: first as string + request('GET /t/good-101', UPGRADE), expect: [status as number] },
  { name: `behind ${name}: a request, in a packet of its own`, send: [first as string, HIDDEN], expect: [status as number] },
  { name: `behind a request and ${name}: a request`, send: NEXT + (first as string) + HIDDEN, expect: ['GET /t/next', status as number], ...(name as string).includes('upgrade') && { or: [[]], may: ['GET /t/next'] } }
])

const others: Case[] = [
  { name: 'ten at once', send: Array.from({ length: 10 }, (_, index) => request(`GET /t/${index}`)).join(''), expect: Array.from({ length: 10 }, (_, index) => `GET /t/${index}`) },
  { name: 'bodies and none in turn', send: LATER + NEXT + LATER + NEXT, expect: ['POST /t/later hello', 'GET /t/next', 'POST /t/later hello', 'GET /t/next'] },
  { name: 'no Host, then a request', send: 'GET /t/a HTTP/1.1\r\n\r\n' + HIDDEN, expect: [400], may: ['GET /t/hidden'] },
  { name: 'an end behind a request', send: request('GET /404') + 'GET /t/half', end: true, expect: [404, 400], or: [[400]] },
  { name: 'chunks that break behind a request', send: request('GET /404') + request('POST /404', ['Transfer-Encoding: chunked'], 'zz\r\n'), expect: [404, 404, 400], or: [[404, 404], [404], []] },
  { name: 'a 404 before its chunks break', send: [request('POST /404', ['Transfer-Encoding: chunked']), 'zz\r\n'], expect: [404, 400], or: [[404]] }
]

export const pipelines: Case[] = [...early, ...last, ...garbage, ...doubtful, ...others]
