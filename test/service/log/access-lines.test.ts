import { fastify, type FastifyBaseLogger } from 'fastify'
import t from 'tap'
import { redactUrl } from '../../../src/observers/redaction.js'
import { redactedLogs } from '../../../src/observers/redaction.js'
import { accessLines } from '../../../src/service/log/access-lines.js'
import { LogLines } from '../../../src/service/log/lines.js'

const REQUEST = { method: 'GET', url: '/page?token=a"b', headers: {}, host: 'localhost:1', ip: '127.0.0.1', socket: { remotePort: 1234 } }
const LINE = { req: REQUEST, res: { statusCode: 200 }, responseTime: 1.5, route: '/*', upstream: undefined, bytes: { fromClient: 0, fromTarget: 2 } }

/** What a line becomes by the short way, and by that of the logger. */
function both (t: { teardown (fn: () => void): void }, log: (logger: FastifyBaseLogger) => FastifyBaseLogger, err?: Error): [string[], string[]] {
  const written = [false, true].map(isShort => {
    const texts: string[] = []
    const lines = new LogLines({ write: text => texts.push(text) })
    t.teardown(() => lines.close())
    const { log: logger } = fastify({ logger: { ...redactedLogs(), level: 'info', stream: lines } } as object)
    const write = accessLines(logger, lines, redactUrl())
    const line = { ...LINE, ...err !== undefined && { err } } as unknown as Parameters<typeof write>[2]
    if (isShort) write(log(logger), 'info', line, 'request completed')
    else log(logger).info(line, 'request completed')
    lines.flush()
    return texts.join('').split('\n').map(text => text.replace(/"time":\d+/, '"time":0'))
  })
  return written as [string[], string[]]
}

t.test('the short way writes what the logger would', async t => {
  for (const log of [
    (logger: FastifyBaseLogger) => logger.child({ reqId: 'req-1' }),
    (logger: FastifyBaseLogger) => logger.child({ reqId: 'req-1' }).child({ user: 'x"y' })
  ]) {
    const [slow, short] = both(t, log)
    t.same(short, slow)
    t.match(JSON.parse(short[0]!), { reqId: 'req-1', req: { url: '/page?token=[redacted]' } })
  }
  t.same(...both(t, logger => logger.child({}), new Error('a defect')), 'an error has a serializer')
  t.same(both(t, logger => logger.child({}, { level: 'warn' })), [[''], ['']], 'a level that is not logged')
})

t.test('where it cannot be taken, the logger writes the line', async t => {
  const lines = new LogLines({ write: () => t.fail('not to these lines') })
  t.teardown(() => lines.close())
  const texts: string[] = []
  const { log: other } = fastify({ logger: { level: 'info', stream: { write: (text: string) => { texts.push(text) } } } })
  const own = fastify({ logger: { level: 'info', stream: lines } } as object).log
  const line = { ...LINE } as unknown as Parameters<ReturnType<typeof accessLines>>[2]
  accessLines(own, lines, redactUrl())(other, 'info', line, 'of another logger')
  accessLines({} as FastifyBaseLogger, lines, redactUrl())(other, 'info', line, 'without the symbols of pino')
  t.match(texts.map(text => (JSON.parse(text) as { msg: string }).msg), ['of another logger', 'without the symbols of pino'])
})
