import { mkdtempSync, readFileSync, renameSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fastify, type FastifyBaseLogger } from 'fastify'
import t, { type Test } from 'tap'
import type { GatewayConfig } from '../../../src/options/index.js'
import { LogFile, LogLines } from '../../../src/service/log/lines.js'
import { ServiceLog } from '../../../src/service/log/logger.js'
import { textLines } from '../../../src/service/log/text.js'

/** What some lines look like on an output. */
function logged (t: Test, isTTY: boolean | undefined, write: (log: FastifyBaseLogger) => void, config: GatewayConfig = {}): string {
  let text = ''
  const log = new ServiceLog(config, { output: { isTTY, write: (lines: string) => { text += lines } } })
  t.teardown(() => log.close())
  write(fastify({ logger: log.options({ logLevel: 'warn' }) } as object).log)
  log.close()
  return text
}

const warn = (log: FastifyBaseLogger): void => {
  log.info('not heard')
  log.warn({ answer: 42 }, 'heard')
}

t.test('writes JSON', async t => {
  t.match(JSON.parse(logged(t, undefined, warn)), { level: 40, answer: 42, msg: 'heard' })
  t.match(JSON.parse(logged(t, true, warn, { logFormat: 'json' })), { level: 40, msg: 'heard' })
})

t.test('is readable on a terminal, on one line', async t => {
  delete process.env.NO_COLOR
  delete process.env.FORCE_COLOR
  const text = logged(t, true, warn)
  t.match(text, /WARN.*heard.*"answer":42/)
  t.match(text, '\u001b[', 'in colours')
  t.notMatch(text, /"msg"|not heard/)
  t.equal(text.split('\n').length, 2)
  t.notMatch(logged(t, false, warn, { logFormat: 'text' }), '\u001b[', 'elsewhere without colours')
})

t.test('NO_COLOR and FORCE_COLOR', async t => {
  t.teardown(() => {
    delete process.env.NO_COLOR
    delete process.env.FORCE_COLOR
  })
  process.env.FORCE_COLOR = '1'
  t.match(logged(t, false, warn, { logFormat: 'text' }), '\u001b[')
  process.env.NO_COLOR = '1'
  t.notMatch(logged(t, true, warn), '\u001b[')
  process.env.NO_COLOR = ''
  process.env.FORCE_COLOR = '0'
  t.notMatch(logged(t, true, warn), '\u001b[')
})

const REQ = { method: 'GET', url: '/page?token=[redacted]', remoteAddress: '10.0.0.1' }

t.test('a request and a session as text', async t => {
  const text = (line: object): string => textLines(false)(JSON.stringify({ level: 40, time: 0, ...line, msg: 'request completed' })).replace(/^\S+ /, '')
  t.equal(text({ req: REQ, res: { statusCode: 200 }, responseTime: 3.21, upstream: 'app', target: 'http://127.0.0.1:5173', attempts: 1, by: 'target', reason: 'complete' }),
    'WARN: 10.0.0.1 GET /page?token=[redacted] 200 3.2 ms → app http://127.0.0.1:5173\n')
  t.match(text({ req: REQ, res: { statusCode: 502 }, responseTime: 1_234, upstream: 'app', target: 'http://127.0.0.1:5173', attempts: 2, by: 'target', reason: 'error', err: { code: 'SLUICE_TARGET_UNREACHABLE', message: 'The upstream could not be reached', cause: { message: 'connect ECONNREFUSED' } } }),
    /502 1\.2 s → app http:\/\/127\.0\.0\.1:5173, 2 attempts: SLUICE_TARGET_UNREACHABLE, .*ECONNREFUSED\n$/)
  t.match(text({ req: REQ, upstream: 'app', session: { target: 'http://127.0.0.1:5173', by: 'client', reason: 'close', code: 1000, duration: 3_723_000, fromClient: { messages: 2 }, fromTarget: { messages: 3 } } }),
    /WS \/page\S* ended by client: close 1000, after 1 h 2 min, 2\/3 messages → app/)
  t.match(text({ req: REQ, res: {}, responseTime: 61_000, by: 'client', reason: 'left' }), /- 1 min 1 s, left by client/)
})

t.test('lines of one turn of the event loop are one write', async t => {
  const writes: string[] = []
  const lines = new LogLines({ write: text => writes.push(text) })
  t.teardown(() => lines.close())
  lines.write('one\n')
  lines.write('two\n')
  t.same(writes, [])
  await new Promise(resolve => setImmediate(resolve))
  t.same(writes, ['one\ntwo\n'])
  lines.write(`${'x'.repeat(70_000)}\n`)
  t.equal(writes.length, 2, 'many bytes do not wait')
  lines.write('last\n')
  lines.close()
  t.equal(writes.at(-1), 'last\n')
})

t.test('a file that is full, or was closed, ends nothing, and what was lost is told', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-log-'))
  const path = join(folder, 'log')
  const full = new LogFile('/dev/full')
  full.write('one\ntwo\n')
  full.close()
  full.write('nowhere\n')
  const file = new LogFile(path)
  file.write('one\n')
  renameSync(path, `${path}.1`)
  file.write('two\n')
  file.reopen()
  file.write('three\n')
  t.equal(readFileSync(`${path}.1`, 'utf8'), 'one\ntwo\n')
  t.equal(readFileSync(path, 'utf8'), 'three\n')
  file.close()
  file.write('lost\nlost\n')
  file.reopen()
  file.write('four\n')
  const [, told, last] = readFileSync(path, 'utf8').trim().split('\n')
  t.match(JSON.parse(told!), { level: 50, msg: /^2 line\(s\) of the log were lost: / })
  t.equal(last, 'four')
  const text = new LogFile(`${path}.txt`, textLines(false))
  text.close()
  text.write('lost\n')
  text.reopen()
  text.write('five\n')
  t.match(readFileSync(`${path}.txt`, 'utf8'), /^\[.*\] ERROR: 1 line\(s\) of the log were lost: .*\nfive\n$/)
})

t.test('a file that cannot be opened is a mistake in the configuration', async t => {
  t.throws(() => new ServiceLog({ logFile: '/nowhere/log' }), { code: 'SLUICE_CONFIG_INVALID', message: /logFile: ENOENT/ })
})
