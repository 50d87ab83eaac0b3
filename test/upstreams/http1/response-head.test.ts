import t from 'tap'
import { mayBeResponse, readResponseHead, readFields } from '../../../src/upstreams/http1/response-head.js'
import type { HeaderList } from '../../../src/message/headers.js'

/** Every character but those that end a line. */
const ANY = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).filter(character => character !== '\r' && character !== '\n')

const STATUS_LINES: Array<[line: string, version: '1.0' | '1.1', status: number, message: string]> = [
  ['HTTP/1.1 200 OK', '1.1', 200, 'OK'],
  ['HTTP/1.0 200 OK', '1.0', 200, 'OK'],
  ['HTTP/1.1 100 Continue', '1.1', 100, 'Continue'],
  ['HTTP/1.1 404 Not Found', '1.1', 404, 'Not Found'],
  ['HTTP/1.1 999 None', '1.1', 999, 'None'],
  ['HTTP/1.1 200 ', '1.1', 200, ''],
  ['HTTP/1.1 200', '1.1', 200, ''],
  ['HTTP/1.1 200   two  spaces ', '1.1', 200, '  two  spaces '],
  [`HTTP/1.1 200 ${ANY.join('')}`, '1.1', 200, ANY.join('')]
]

t.test('reads a status line', async t => {
  for (const [line, version, status, message] of STATUS_LINES) {
    t.same(readResponseHead(line), { version, status, message, headers: [] }, JSON.stringify(line))
    t.same(readResponseHead(`${line}\r\nA: b`), { version, status, message, headers: ['A', 'b'] })
  }
})

const NO_STATUS_LINES = [
  '', ' ', 'A: b', 'HTTP/1.1', 'HTTP/1.1 ', 'HTTP/1.1 20', 'HTTP/1.1 2000', 'HTTP/1.1 2000 OK', 'HTTP/1.1 000 OK', 'HTTP/1.1 099 OK', 'HTTP/1.1 20x OK', 'HTTP/1.1 -20 OK',
  'HTTP/1.1  200 OK', 'HTTP/1.1\t200 OK', 'HTTP/1.1 200\tOK', 'HTTP/1.1 200\xa0OK', ' HTTP/1.1 200 OK', '\r\nHTTP/1.1 200 OK', 'http/1.1 200 OK', 'HTTP /1.1 200 OK', 'HTTP/1.1200 OK',
  'HTTP/1.2 200 OK', 'HTTP/1.10 200 OK', 'HTTP/01.1 200 OK', 'HTTP/0.9 200 OK', 'HTTP/2 200 OK', 'HTTP/2.0 200 OK', 'ICY 200 OK', 'RTSP/1.0 200 OK', 'GET / HTTP/1.1',
  'HTTP/1.1 200 O\nK', 'HTTP/1.1 200 O\rK', 'HTTP/1.1 200 OK\n', 'HTTP/1.1 200 OK\r', 'HTTP/1.1 200 OK\nA: b', 'HTTP/1.1 200 OK\r\n'
]

t.test('takes nothing else for a status line', async t => {
  for (const line of NO_STATUS_LINES) {
    t.equal(readResponseHead(line), undefined, JSON.stringify(line))
    t.equal(readResponseHead(`${line}\r\nA: b`), undefined)
  }
})

t.test('a head with a line that is no header is none', async t => {
  for (const line of ['', 'A', ' b', 'A: \0']) {
    t.equal(readResponseHead(`HTTP/1.1 200 OK\r\n${line}`), undefined, JSON.stringify(line))
    t.equal(readResponseHead(`HTTP/1.1 200 OK\r\nA: b\r\n${line}\r\nC: d`), undefined)
  }
})

const FIELDS: Array<[line: string, name: string, value: string]> = [
  ['A: b', 'A', 'b'],
  ['A:b', 'A', 'b'],
  ['A:', 'A', ''],
  ['A: \t ', 'A', ''],
  ['a:\t b \t', 'a', 'b'],
  ['A:b c\td', 'A', 'b c\td'],
  ['A: b: c', 'A', 'b: c'],
  ['A::', 'A', ':'],
  ['__proto__: b', '__proto__', 'b'],
  ["!#$%&'*+-.^_`|~09azAZ: b", "!#$%&'*+-.^_`|~09azAZ", 'b'],
  // What trim() would take off, and RFC 9110 does not.
  ['A: \xa0b\xa0 ', 'A', '\xa0b\xa0'],
  ['A: \x80\x85\xff', 'A', '\x80\x85\xff']
]

t.test('reads header lines', async t => {
  for (const [line, name, value] of FIELDS) t.same(readFields([line], 0), [name, value], JSON.stringify(line))
  t.same(readFields(FIELDS.map(([line]) => line), 0), FIELDS.flatMap(([, name, value]) => [name, value]), 'in their order, repetition and case')
})

t.test('reads header lines from one on', async t => {
  const cases: Array<[from: number, headers: HeaderList]> = [[0, ['A', '1', 'B', '2']], [1, ['B', '2']], [2, []]]
  for (const [from, headers] of cases) t.same(readFields(['A: 1', 'B: 2'], from), headers)
  t.same(readFields([''], 1), [])
})

/** No token; no colon; space before it, or at the start of a line, as folded values have; characters that no header may have. */
const NO_FIELDS = ['', ' ', ':', ': b', 'A', 'A b', 'A : b', 'A\t: b', ' A: b', '\tA: b', ' b', '\tb', 'A b: c', 'A(: b', 'A\xe9: b', 'A\0: b', 'A"B: c', 'A: b\n', 'A: b\nC: d', 'A: b\r', 'A: b\rC: d', '\nA: b']

t.test('takes nothing else for a header line', async t => {
  for (const line of NO_FIELDS) {
    t.equal(readFields([line], 0), undefined, JSON.stringify(line))
    t.equal(readFields(['A: 1', line, 'B: 2'], 0), undefined)
  }
})

t.test('a value has tabs and no other control character', async t => {
  for (const character of ANY) {
    const control = (character < ' ' && character !== '\t') || character === '\x7f'
    t.same(readFields([`A: b${character}c`], 0), control ? undefined : ['A', `b${character}c`], JSON.stringify(character))
  }
})

t.test('knows from its first bytes what may be a response', async t => {
  const answer = Buffer.from('HTTP/1.1 200 OK')
  for (let length = 0; length <= answer.length; length++) t.ok(mayBeResponse(answer.subarray(0, length)))
  t.ok(mayBeResponse(Buffer.from('HTTP/1.0')))
  for (const other of ['h', 'HTTP/2', 'HTTP1', 'SSH-2.0-x', '\r\n', ' HTTP/1.1', '220 smtp', '\x16\x03\x01', '\x00\x00\x12\x04']) t.notOk(mayBeResponse(Buffer.from(other, 'latin1')), JSON.stringify(other))
})
