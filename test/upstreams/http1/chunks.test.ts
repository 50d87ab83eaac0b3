import t from 'tap'
import { ChunkReader } from '../../../src/upstreams/http1/chunks.js'
import { cutsOf, however, pieces } from '../../helpers/pieces.js'

/** Bytes that the extensions of one chunk may have. */
const MAX_EXTENSION = 16 * 1024

interface Read { data: string, over: boolean, fault: string | undefined, length: number }

function read (text: string, cuts: number[] = [], reader?: ChunkReader): Read {
  let data = ''
  reader ??= new ChunkReader(chunk => { data += chunk.toString('latin1') })
  let length = 0
  for (const piece of pieces(Buffer.from(text, 'latin1'), cuts)) length += reader.read(piece, 0)
  return { data, over: reader.over, fault: reader.fault, length }
}

const WHOLE: Array<[text: string, data: string]> = [
  ['0\r\n', ''],
  ['000\r\n', ''],
  ['5\r\nhello\r\n0\r\n', 'hello'],
  ['1\r\na\r\n2\r\nbc\r\n00\r\n', 'abc'],
  ['a\r\n0123456789\r\n0\r\n', '0123456789'],
  ['A\r\n0123456789\r\n0\r\n', '0123456789'],
  ['0000000000001\r\na\r\n0\r\n', 'a'],
  ['4\r\n\r\n\r\n\r\n0\r\n', '\r\n\r\n'],
  ['3\r\n0\r\n\r\n0\r\n', '0\r\n'],
  ['3\r\n\0\x80\xff\r\n0\r\n', '\0\x80\xff'],
  [`1f\r\n${'x'.repeat(31)}\r\n0\r\n`, 'x'.repeat(31)],
  ['5;a\r\nhello\r\n0;b=c\r\n', 'hello'],
  ['5;a=b;c="d;e"\r\nhello\r\n0\r\n', 'hello'],
  ['5;!#$%&\'*+-.^_`|~09azAZ="\\"\\\\ \t\xe9;=,";d="";e\r\nhello\r\n0\r\n', 'hello']
]

t.test('takes a body out of its chunks, however it is cut', async t => {
  for (const [text, data] of WHOLE) {
    t.same(however(cutsOf(text.length), cuts => read(text, cuts)), { data, over: true, fault: undefined, length: text.length })
  }
})

t.test('stops behind the last chunk', async t => {
  for (const [text, data] of WHOLE) {
    for (const rest of ['\r\n', '5\r\nhello\r\n', 'A: b\r\n\r\n', '\0']) t.same(read(text + rest), { data, over: true, fault: undefined, length: text.length })
  }
})

t.test('is not over before the last byte', async t => {
  for (const [text, data] of WHOLE) {
    for (let length = 0; length < text.length; length++) {
      const { over, fault, ...rest } = read(text.slice(0, length))
      t.same([over, fault, rest.length], [false, undefined, length])
      t.ok(data.startsWith(rest.data))
    }
  }
})

/** Each with the part of the body before the fault. */
const FAULTS: Array<[fault: RegExp, text: string, data?: string]> = [
  [/no size/, '\r\n'],
  [/no size/, ';a\r\n'],
  [/no size/, ' 5\r\nhello'],
  [/no size/, '-5\r\nhello'],
  [/no size/, '+5\r\nhello'],
  [/no size/, 'g\r\n'],
  [/no size/, '5\r\nhello\r\n\r\n0\r\n', 'hello'],
  [/no number/, '5 \r\nhello'],
  [/no number/, '5\t\r\nhello'],
  [/no number/, '5 ;a\r\nhello'],
  [/no number/, '0x5\r\nhello'],
  [/no number/, '5_0\r\nhello'],
  [/no number/, '5,5\r\nhello'],
  [/no number/, '5.0\r\nhello'],
  [/no number/, '5g\r\nhello'],
  [/no number/, '5@\r\nhello'],
  [/no number/, '5`\r\nhello'],
  [/no number/, '5\nhello\n0\n'],
  [/no number/, '5\0\r\nhello'],
  [/too large/, '10000000000000\r\n'],
  [/too large/, '00000000000000\r\n'],
  [/too large/, 'ffffffffffffffff\r\n'],
  [/CR LF/, '5\rhello'],
  [/CR LF/, '5\r\rhello'],
  [/CR LF/, '5;a\rb\r\nhello'],
  [/CR LF/, '0\r\r\n'],
  ...[
    '', ' ', 'a ', ' a', '\ta', 'a =b', 'a= b', 'a=b ', ';', ';a', 'a;', 'a;;b', 'a; b', 'a ;b', '=', '=b', 'a=', 'a==b', 'a=b=c', 'a=b c', 'a,b', 'a@', '\xe9', '"a"', 'a="', 'a="b', 'a=b"', 'a="b"c', 'a="b""c"',
    'a="\\"', 'a="\\', 'a="\x7f"', 'a="\0"', 'a="\n"', 'a\n', '\n', 'a\0', 'a\x7f'
  ].map((extensions): [RegExp, string] => [/extensions/, `5;${extensions}\r\nhello\r\n0\r\n`]),
  // The quote is not looked for on the next lines.
  [/extensions/, '5;a="\r\nhello\r\n0;"\r\n'],
  [/longer than its size/, '5\r\nhello!\r\n', 'hello'],
  [/longer than its size/, '5\r\nhello\n0\r\n', 'hello'],
  [/longer than its size/, '5\r\nhello0\r\n', 'hello'],
  [/CR LF/, '5\r\nhello\r0\r\n', 'hello'],
  [/CR LF/, '5\r\nhello\r\r\n', 'hello']
]

t.test('refuses everything else, however it is cut', async t => {
  for (const [fault, text, data = ''] of FAULTS) {
    t.match(however(cutsOf(text.length), cuts => read(text, cuts)), { data, over: false, fault }, JSON.stringify(text))
  }
})

t.test('reads nothing behind a fault', async t => {
  let data = ''
  const reader = new ChunkReader(chunk => { data += String(chunk) })
  const text = Buffer.from('1\r\na\r\nx5\r\nhello\r\n0\r\n')
  t.equal(reader.read(text, 0), 7)
  t.equal(reader.read(text, 7), 7)
  t.same([data, reader.over], ['a', false])
})

t.test('takes a size that a number holds', async t => {
  t.same(read('fffffffffffff\r\nabc'), { data: 'abc', over: false, fault: undefined, length: 18 })
})

t.test('the extensions of each chunk have a limit', async t => {
  const longest = `;${'x'.repeat(MAX_EXTENSION)}\r\n`
  for (const cuts of [[], [5], [MAX_EXTENSION], [MAX_EXTENSION + 2], [MAX_EXTENSION + 3]]) {
    t.match(read(`1${longest}a\r\n1${longest}b\r\n0${longest}`, cuts), { data: 'ab', over: true, fault: undefined })
    t.match(read(`1;x${longest.slice(1)}a\r\n0\r\n`, cuts), { data: '', over: false, fault: /too long/ })
  }
})

t.test('begins anew with each body', async t => {
  let data = ''
  const reader = new ChunkReader(chunk => { data += String(chunk) })
  for (const before of ['', '5\r\nhello\r\n0\r\n', '5;a', '5\r\nhe', '5\r\nhello\r', 'x', '123456789']) {
    reader.begin()
    read(before, [], reader)
    reader.begin()
    data = ''
    t.match(read('1\r\na\r\n0\r\n', [], reader), { over: true, fault: undefined })
    t.equal(data, 'a', JSON.stringify(before))
  }
})

t.test('reads from a place on, and gives parts of the bytes, not copies', async t => {
  const bytes = Buffer.from('xx5\r\nhello\r\n0\r\nxx')
  const given: Buffer[] = []
  const reader = new ChunkReader(chunk => { given.push(chunk) })
  t.equal(reader.read(bytes, 2), bytes.length - 2)
  t.same(given.map(String), ['hello'])
  t.equal(given[0]!.buffer, bytes.buffer)
})

// Issue 8, item 22
t.test('extensions have a limit in sum, beyond what the data makes up for', async t => {
  const chunks = (count: number, extension: number, size: number) => `${size.toString(16)};${'x'.repeat(extension - 1)}\r\n${'d'.repeat(size)}\r\n`.repeat(count)
  for (const [text, fault] of [
    [chunks(64, 1024, 1), undefined],
    [chunks(66, 1024, 1), 'the extensions of its chunks are too long'],
    [chunks(1_000, 15_000, 1), 'the extensions of its chunks are too long'],
    // Such as a signature for each chunk, however many there are.
    [chunks(10_000, 90, 64), undefined]
  ] as const) t.equal(read(`${text}0\r\n`).fault, fault)
  const reader = new ChunkReader(() => {})
  for (let count = 0; count < 3; count++) {
    reader.begin()
    t.match(read(`${chunks(60, 1024, 1)}0\r\n`, [], reader), { over: true, fault: undefined }, 'each body has its own')
  }
})
