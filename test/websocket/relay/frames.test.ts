import t from 'tap'
import { CloseCode, FrameScanner, closeFrame, type ScannerOptions } from '../../../src/websocket/relay/frames.js'
import { closing, frame, masked } from '../../helpers/wire.js'

const FROM_SERVER: ScannerOptions = { masked: false, allowedRsv: 0 }
const FROM_CLIENT: ScannerOptions = { masked: true, allowedRsv: 0 }

t.test('counts frames, messages and payload', async t => {
  const scanner = new FrameScanner(FROM_SERVER)
  const stream = Buffer.concat([frame(0x81, 'one'), frame(0x02, 'tw'), frame(0x89, 'ping'), frame(0x80, 'o'), frame(0x82)])
  t.equal(scanner.scan(stream), stream.length)
  t.match(scanner, { frames: 5, messages: 3, payloadBytes: 10, atFrameBoundary: true, atMessageBoundary: true })
})

t.test('knows frame and message boundaries', async t => {
  const scanner = new FrameScanner(FROM_SERVER)
  const whole = frame(0x01, 'abc')
  t.equal(scanner.scan(whole.subarray(0, 1)), 0, 'half a header is not passed')
  t.ok(scanner.atMessageBoundary, 'so nothing is open')
  t.equal(scanner.scan(whole.subarray(0, 2)), 2)
  t.notOk(scanner.atFrameBoundary)
  scanner.scan(Buffer.from('abc'))
  t.ok(scanner.atFrameBoundary)
  t.notOk(scanner.atMessageBoundary, 'the message is to go on')
  scanner.scan(frame(0x89, 'ping'))
  t.notOk(scanner.atMessageBoundary, 'a control frame does not end it')
  scanner.scan(frame(0x80))
  t.ok(scanner.atMessageBoundary)
})

t.test('stops at a message boundary when asked', async t => {
  const scanner = new FrameScanner(FROM_SERVER)
  scanner.scan(frame(0x01, 'a'))
  const stream = Buffer.concat([frame(0x89), frame(0x80, 'b'), frame(0x81, 'next')])
  t.equal(scanner.scan(stream, 'message'), 2 + 3)
  t.equal(scanner.scan(stream.subarray(5), 'message'), 0)
})

t.test('reads the payload of a Close, masked or not, however it is cut', async t => {
  for (const [options, make] of [[FROM_SERVER, frame], [FROM_CLIENT, masked]] as const) {
    const bytes = make(0x88, closing(4001, 'why €'))
    for (let cut = 0; cut <= bytes.length; cut++) {
      const scanner = new FrameScanner(options)
      const passed = scanner.scan(bytes.subarray(0, cut))
      scanner.scan(bytes.subarray(passed))
      t.same(scanner.close, { code: 4001, reason: 'why €' })
    }
    const bare = new FrameScanner(options)
    bare.scan(make(0x88))
    t.same(bare.close, { code: CloseCode.absent, reason: '' })
  }
})

t.test('passes nothing behind a Close', async t => {
  const scanner = new FrameScanner(FROM_SERVER)
  const close = frame(0x88, closing(1000))
  t.equal(scanner.scan(Buffer.concat([close, frame(0x81, 'late')])), close.length)
  t.equal(scanner.frames, 1)
})

/** Each with what is wrong about it. */
const VIOLATIONS: Array<[what: RegExp, options: ScannerOptions, bytes: Buffer]> = [
  [/unmasked/, FROM_CLIENT, frame(0x81, 'x')],
  [/masked frame from a server/, FROM_SERVER, masked(0x81, 'x')],
  ...[3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf].map(opcode => [/reserved opcode/, FROM_SERVER, frame(0x80 | opcode)] as [RegExp, ScannerOptions, Buffer]),
  [/RSV/, FROM_SERVER, frame(0xc1, 'x')],
  [/RSV/, FROM_SERVER, frame(0xa1, 'x')],
  [/RSV/, FROM_SERVER, frame(0x91, 'x')],
  [/RSV/, { masked: false, allowedRsv: 0x40 }, frame(0xa1, 'x')],
  [/fragmented control/, FROM_SERVER, frame(0x09, 'x')],
  [/over 125/, FROM_SERVER, frame(0x89, Buffer.alloc(126))],
  [/over 125/, FROM_SERVER, Buffer.from([0x89, 126, 0, 1, 0])],
  [/continuation of no message/, FROM_SERVER, frame(0x80, 'x')],
  [/new message inside/, FROM_SERVER, Buffer.concat([frame(0x01, 'x'), frame(0x81, 'y')])],
  [/out of range/, FROM_SERVER, Buffer.from([0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 1])],
  [/out of range/, FROM_SERVER, Buffer.from([0x82, 127, 0, 0x20, 0, 0, 0, 0, 0, 0])],
  [/half a code/, FROM_SERVER, frame(0x88, 'x')]
]

t.test('stops before the header of a frame that breaks the protocol', async t => {
  for (const [what, options, bytes] of VIOLATIONS) {
    const good = options.masked ? masked(0x82, 'good') : frame(0x82, 'good')
    const stream = Buffer.concat([good, bytes])
    const scanner = new FrameScanner(options)
    const passed = scanner.scan(stream)
    t.match(scanner.violation, what)
    const before = /inside/.test(what.source) ? good.length + 3 : good.length
    t.equal(passed, before)
    t.ok(scanner.atFrameBoundary)
  }
})

t.test('lets negotiated RSV bits pass', async t => {
  const scanner = new FrameScanner({ masked: false, allowedRsv: 0x40 })
  scanner.scan(frame(0xc1, 'x'))
  t.equal(scanner.violation, undefined)
})

t.test('takes a length of up to 2^53 without touching the payload', async t => {
  const scanner = new FrameScanner(FROM_SERVER)
  t.equal(scanner.scan(Buffer.from([0x82, 127, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])), 10)
  t.equal(scanner.violation, undefined)
  t.notOk(scanner.atFrameBoundary)
})

t.test('a Close frame reads as it was made', async t => {
  for (const toServer of [true, false]) {
    for (const [code, reason] of [[1001, ''], [1014, 'the target was lost'], [CloseCode.absent, '']] as const) {
      const scanner = new FrameScanner({ masked: toServer, allowedRsv: 0 })
      const bytes = closeFrame(code, reason, toServer)
      t.equal(scanner.scan(bytes), bytes.length)
      t.same(scanner.close, { code, reason })
    }
  }
  t.throws(() => closeFrame(1000, 'x'.repeat(124), false), RangeError)
})
