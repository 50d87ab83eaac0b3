import { HIDDEN, NEXT, request, type Case } from '../case.js'

/** Content-Length and Transfer-Encoding at odds: RFC 9112 §6.1 and §6.3. */

const CHUNKED = 'Transfer-Encoding: chunked'
const EMPTY = '0\r\n\r\n'

/** Transfer-Encoding beside a length: what one takes for the body is a request to the other. */
const both: Case[] = [
  ['CL.TE: the length covers a hidden request', [`Content-Length: ${EMPTY.length + HIDDEN.length}`, CHUNKED], EMPTY + HIDDEN],
  ['CL.TE, the coding first', [CHUNKED, `Content-Length: ${EMPTY.length + HIDDEN.length}`], EMPTY + HIDDEN],
  ['TE.CL: a chunk covers a hidden request', ['Content-Length: 4', CHUNKED], `${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n${EMPTY}`],
  ['TE.CL, the coding first', [CHUNKED, 'Content-Length: 4'], `${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n${EMPTY}`],
  ['CL.TE with a length of 0', ['Content-Length: 0', CHUNKED], EMPTY],
  ['CL.TE that agree', ['Content-Length: 5', CHUNKED], EMPTY],
  ['CL.TE with the coding in capitals', ['Content-Length: 5', 'TRANSFER-ENCODING: CHUNKED'], EMPTY],
  ['CL.TE with a coding that is obsolete', ['Content-Length: 5', 'Transfer-Encoding: x-gzip, chunked'], EMPTY],
  ['CL.TE with identity', [`Content-Length: ${HIDDEN.length}`, 'Transfer-Encoding: identity'], HIDDEN],
  ['CL.TE with an empty coding', [`Content-Length: ${HIDDEN.length}`, 'Transfer-Encoding:'], HIDDEN]
].map(([name, lines, body]) => ({ name: name as string, send: request('POST /t/a', lines as string[], body as string) + NEXT, expect: [400] }))

/** Codings that one recipient takes for chunked, and another does not. */
const codings: Case[] = [
  'identity', 'gzip', 'deflate', 'compress', 'x-chunked', 'chunkedx', 'chunked-foo', 'xchunked', '"chunked"', 'chunked;q=1', 'chunked, identity',
  'chunked, gzip', 'identity, chunked', 'gzip, chunked', 'chunked, chunked', 'chunked,', ',chunked', 'chun ked', '\x0bchunked', 'chunked\x0b', 'chunked\0', '\x0cchunked', '\xa0chunked', 'ch\xfcnked', ''
].map(coding => ({ name: `Transfer-Encoding: ${JSON.stringify(coding)}`, send: request('POST /t/a', [`Transfer-Encoding: ${coding}`], EMPTY) + NEXT, expect: [400] }))

const twice: Case[] = [
  ['TE.TE: chunked twice', [CHUNKED, CHUNKED]],
  ['TE.TE: chunked, then identity', [CHUNKED, 'Transfer-Encoding: identity']],
  ['TE.TE: identity, then chunked', ['Transfer-Encoding: identity', CHUNKED]],
  ['TE.TE: chunked, then garbage', [CHUNKED, 'Transfer-Encoding: x']],
  ['TE.TE: garbage, then chunked', ['Transfer-Encoding: x', CHUNKED]],
  ['TE.TE: chunked, then nothing', [CHUNKED, 'Transfer-Encoding:']],
  ['TE.TE: the second with a space before the colon', [CHUNKED, 'Transfer-Encoding : identity']],
  ['a coding with a space before the colon', ['Transfer-Encoding : chunked']],
  ['a coding with a tab before the colon', ['Transfer-Encoding\t: chunked']],
  ['a coding with a space before its name', ['X: 1', ' Transfer-Encoding: chunked']],
  ['a coding with a null in its name', ['Transfer\0-Encoding: chunked']],
  ['a coding that is folded', ['Transfer-Encoding:\r\n chunked']],
  ['a coding behind a folded line', ['X: 1\r\n\tTransfer-Encoding: chunked']],
  ['a coding behind a bare CR', ['X: 1\rTransfer-Encoding: chunked']],
  ['a coding behind a bare LF', ['X: 1\nTransfer-Encoding: chunked']]
].map(([name, lines]) => ({ name: name as string, send: request('POST /t/a', lines as string[], EMPTY) + NEXT, expect: [400] }))

/** Lengths that are no length. */
const lengths: Case[] = [
  '+5', '-5', '-0', '0x5', '5.0', '5e0', '5 5', '5,5', '5, 5', '5,6', '5;', '"5"', '5\x0b', '\x0b5', '5\0', '\xa05', 'five', '', '99999999999999999999', '18446744073709551621',
  '\xb5', '5_0', '0b101'
].map(length => ({ name: `Content-Length: ${JSON.stringify(length)}`, send: request('POST /t/a', [`Content-Length: ${length}`], 'hello') + NEXT, expect: [400] }))

const lengthsTwice: Case[] = [
  ['two lengths', ['Content-Length: 5', 'Content-Length: 6']],
  ['two lengths, the second less', ['Content-Length: 6', 'Content-Length: 5']],
  ['one length twice', ['Content-Length: 5', 'Content-Length: 5']],
  ['lengths of 0 and 5', ['Content-Length: 0', 'Content-Length: 5']],
  ['two lengths with names of another case', ['Content-Length: 5', 'CONTENT-LENGTH: 6']],
  ['a length with a space before the colon', ['Content-Length : 5']],
  ['a second length with a space before the colon', ['Content-Length: 5', 'Content-Length : 6']],
  ['a length that is folded', ['Content-Length:\r\n 5']],
  ['a length that goes on behind a fold', ['Content-Length: 5\r\n 0']],
  ['a length behind a bare CR', ['X: 1\rContent-Length: 5']],
  ['a length behind a bare LF', ['X: 1\nContent-Length: 5']]
].map(([name, lines]) => ({ name: name as string, send: request('POST /t/a', lines as string[], 'hello') + NEXT, expect: [400] }))

/** Odd, but with one meaning only. */
const fine: Case[] = [
  { name: 'a length with leading zeros', send: request('POST /t/a', ['Content-Length: 0005'], 'hello') + NEXT, expect: ['POST /t/a hello', 'GET /t/next'] },
  { name: 'a length between spaces and tabs', send: request('POST /t/a', ['Content-Length: \t 5 \t'], 'hello') + NEXT, expect: ['POST /t/a hello', 'GET /t/next'], or: [[400]] },
  { name: 'chunked in capitals', send: request('POST /t/a', ['Transfer-Encoding: CHUNKED'], `5\r\nhello\r\n${EMPTY}`) + NEXT, expect: ['POST /t/a hello', 'GET /t/next'] },
  { name: 'chunked between spaces and tabs', send: request('POST /t/a', ['Transfer-Encoding: \t chunked \t'], `5\r\nhello\r\n${EMPTY}`) + NEXT, expect: ['POST /t/a hello', 'GET /t/next'], or: [[400]] },
  { name: 'a hidden request that is a body', send: request('POST /t/a', [`Content-Length: ${HIDDEN.length}`], HIDDEN) + NEXT, expect: [`POST /t/a ${HIDDEN}`, 'GET /t/next'] },
  { name: 'a GET whose body is a hidden request', send: request('GET /t/a', [`Content-Length: ${HIDDEN.length}`], HIDDEN) + NEXT, expect: [`GET /t/a ${HIDDEN}`, 'GET /t/next'] },
  { name: 'a DELETE whose chunk is a hidden request', send: request('DELETE /t/a', [CHUNKED], `${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n${EMPTY}`) + NEXT, expect: [`DELETE /t/a ${HIDDEN}`, 'GET /t/next'] },
  { name: 'a HEAD with a body', head: true, send: request('HEAD /t/a', ['Content-Length: 5'], 'hello') + NEXT, expect: ['HEAD /t/a hello', 'GET /t/next'] },
  { name: 'an OPTIONS with a body', send: request('OPTIONS /t/a', ['Content-Length: 5'], 'hello') + NEXT, expect: ['OPTIONS /t/a hello', 'GET /t/next'] },
  { name: 'a POST without any length', send: request('POST /t/a') + NEXT, expect: ['POST /t/a', 'GET /t/next'] },
  { name: 'a length that Connection lists', send: request('POST /t/a', ['Connection: Content-Length', `Content-Length: ${HIDDEN.length}`], HIDDEN) + NEXT, expect: [`POST /t/a ${HIDDEN}`, 'GET /t/next'] },
  { name: 'a coding that Connection lists', send: request('POST /t/a', ['Connection: Transfer-Encoding', CHUNKED], `${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n${EMPTY}`) + NEXT, expect: [`POST /t/a ${HIDDEN}`, 'GET /t/next'] },
  { name: 'TE: chunked is no coding', send: request('POST /t/a', ['TE: chunked', 'Content-Length: 5'], EMPTY) + NEXT, expect: [`POST /t/a ${EMPTY}`, 'GET /t/next'] },
  { name: 'a length less than the body', send: request('POST /t/a', ['Content-Length: 3'], 'hello') + NEXT, expect: ['POST /t/a hel', 400] },
  { name: 'a length less than a hidden request', send: request('POST /t/a', ['Content-Length: 0']) + HIDDEN, expect: ['POST /t/a', 'GET /t/hidden'] },
  { name: 'a length greater than what comes', send: request('POST /t/a', ['Content-Length: 10'], 'hello'), end: true, expect: [400], or: [[]] }
]

export const framing: Case[] = [...both, ...codings, ...twice, ...lengths, ...lengthsTwice, ...fine]
