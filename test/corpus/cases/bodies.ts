import { HIDDEN, NEXT, request, type Case } from '../case.js'

/** Expect, and bodies that nobody reads. */
export const bodies: Case[] = [
  { name: 'Expect: 100-continue, the body with it', send: request('POST /t/a', ['Expect: 100-continue', 'Content-Length: 5'], 'hello') + NEXT, expect: ['POST /t/a hello'], or: [[100, 'POST /t/a hello', 'GET /t/next']], may: ['GET /t/next'] },
  { name: 'Expect: 100-continue, the body behind it', send: [request('POST /t/a', ['Expect: 100-continue', 'Content-Length: 5']), 'hello'], expect: [100, 'POST /t/a hello'] },
  { name: 'Expect: 100-continue, a request where the body is expected', send: [request('POST /t/a', ['Expect: 100-continue', `Content-Length: ${HIDDEN.length}`]), HIDDEN], expect: [100, `POST /t/a ${HIDDEN}`] },
  { name: 'Expect: 100-continue in capitals', send: [request('POST /t/a', ['EXPECT: 100-CONTINUE', 'Content-Length: 5']), 'hello'], expect: [100, 'POST /t/a hello'] },
  { name: 'Expect: 100-continue without a body', send: request('GET /t/a', ['Expect: 100-continue']) + NEXT, expect: [100, 'GET /t/a', 'GET /t/next'] },
  { name: 'Expect: 100-continue to a route that is not there', send: request('POST /404', ['Expect: 100-continue', 'Content-Length: 5'], 'hello') + NEXT, expect: [404] },
  { name: 'Expect: something else', send: request('POST /t/a', ['Expect: 200-ok', 'Content-Length: 5'], 'hello') + NEXT, expect: [417, 'GET /t/next'], or: [[417]] },
  { name: 'Expect: 100-continue and more', send: request('POST /t/a', ['Expect: 100-continue, x', 'Content-Length: 5'], 'hello') + NEXT, expect: [417, 'GET /t/next'], or: [['POST /t/a hello'], [100, 'POST /t/a hello', 'GET /t/next']], may: ['GET /t/next'] },
  { name: 'Expect with garbage before it', send: request('POST /t/a', ['Expect: y 100-continue', 'Content-Length: 5'], 'hello') + NEXT, expect: [417, 'GET /t/next'], or: [['POST /t/a hello'], [100, 'POST /t/a hello', 'GET /t/next']], may: ['GET /t/next'] },
  { name: 'Expect that is empty', send: request('POST /t/a', ['Expect:', 'Content-Length: 5'], 'hello') + NEXT, expect: ['POST /t/a hello', 'GET /t/next'], or: [[417, 'GET /t/next']] },
  { name: 'Expect twice', send: request('POST /t/a', ['Expect: 100-continue', 'Expect: 100-continue', 'Content-Length: 5'], 'hello') + NEXT, expect: [417, 'GET /t/next'], or: [['POST /t/a hello'], [100, 'POST /t/a hello', 'GET /t/next']], may: ['GET /t/next'] },
  { name: 'Expect behind a space', send: request('POST /t/a', ['Expect : 100-continue', 'Content-Length: 5'], 'hello') + NEXT, expect: [400] },
  { name: 'Expect in HTTP/1.0', send: 'POST /t/a HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello', expect: ['POST /t/a hello'], or: [[100, 'POST /t/a hello']] },
  { name: 'Expect with chunks', send: [request('POST /t/a', ['Expect: 100-continue', 'Transfer-Encoding: chunked']), '5\r\nhello\r\n0\r\n\r\n'], expect: [100, 'POST /t/a hello'] },
  { name: 'Expect with chunks that are none', send: [request('POST /t/a', ['Expect: 100-continue', 'Transfer-Encoding: chunked']), `${HIDDEN}`], expect: [100, 400] }
]
