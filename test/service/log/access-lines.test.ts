import { fastify, type FastifyBaseLogger } from 'fastify'
import t from 'tap'
import { AccessLog, type AccessLine } from '../../../src/observers/access-log.js'
import { redactedLogs, redactUrl, serializedRequest } from '../../../src/observers/redaction.js'
import { Exchange, type Outcome } from '../../../src/proxy/exchange.js'
import { accessLines } from '../../../src/service/log/access-lines.js'
import { LogLines } from '../../../src/service/log/lines.js'
import { requestTexts } from '../../../src/service/log/request-text.js'

const REQUEST = { method: 'GET', url: '/page?token=a"b', headers: {}, host: 'localhost:1', ip: '127.0.0.1', socket: { remotePort: 1234 } }
const LINE = { req: REQUEST, session: { id: 's' }, route: '/*', upstream: undefined, timings: { end: 1.5 } }

/** What a line becomes by the short way, and by that of the logger. */
function both (t: { teardown (fn: () => void): void }, log: (logger: FastifyBaseLogger) => FastifyBaseLogger, err?: Error): [string[], string[]] {
  const written = [false, true].map(isShort => {
    const texts: string[] = []
    const lines = new LogLines({ write: text => texts.push(text) })
    t.teardown(() => lines.close())
    const { log: logger } = fastify({ logger: { ...redactedLogs(), level: 'info', stream: lines } } as object)
    const line = { ...LINE, ...err !== undefined && { err } } as unknown as AccessLine
    if (isShort) accessLines(logger, lines, redactUrl())!.line(log(logger), 'info', line, 'request completed')
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

t.test('of a request that is not logged no text is made', async t => {
  const lines = new LogLines({ write: text => t.fail(text) })
  t.teardown(() => lines.close())
  const { log } = fastify({ logger: { ...redactedLogs(), level: 'warn', stream: lines } } as object)
  const request = new Proxy({}, { get: () => t.fail('nobody asks for it') }) as Exchange['request']
  t.equal(accessLines(log, lines, redactUrl())!.request(exchangeOf({ log, request }), OUTCOME, 'request completed'), true)
  lines.flush()
})

t.test('where it cannot be taken, the logger writes the line', async t => {
  const lines = new LogLines({ write: () => t.fail('not to these lines') })
  t.teardown(() => lines.close())
  const texts: string[] = []
  const { log: other } = fastify({ logger: { level: 'info', stream: { write: (text: string) => { texts.push(text) } } } })
  const own = fastify({ logger: { level: 'info', stream: lines } } as object).log
  accessLines(own, lines, redactUrl())!.line(other, 'info', { ...LINE } as unknown as AccessLine, 'of another logger')
  t.match(texts.map(text => (JSON.parse(text) as { msg: string }).msg), ['of another logger'])
  t.equal(accessLines(own, lines, redactUrl())!.request(exchangeOf({ log: other }), OUTCOME, 'of another logger'), false)
  t.equal(accessLines({} as FastifyBaseLogger, lines, redactUrl()), undefined, 'without the symbols of pino')
  const text = new LogLines({ write () {} }, line => line)
  t.teardown(() => text.close())
  t.equal(accessLines(own, text, redactUrl()), undefined, 'lines for people')
})

const OUTCOME = { by: 'target', reason: 'complete', status: 200 } as Outcome

function exchangeOf (fields: object): Exchange {
  return Object.assign(Object.create(Exchange.prototype) as Exchange, {
    kind: 'request',
    request: REQUEST,
    route: '/*',
    upstream: 'app',
    target: { address: { url: 'http://127.0.0.1:1' } },
    attempts: 1,
    fromClient: 0,
    fromTarget: 2,
    acceptedAt: 1000,
    chosenAt: 1000.0004,
    connectedAt: 1000.007,
    sentAt: 1000.07,
    firstByteAt: 1000.7,
    endedAt: 1007.777,
    ...fields
  })
}

t.test('the line of a request is written field by field, and says what the logger would', async t => {
  const redact = redactUrl()
  const textOf = requestTexts(redact)
  const general = new AccessLog({ accessLog: true })
  let line: AccessLine | undefined
  general.writer = { request: () => false, line: (_log, _level, given) => { line = given } }
  const isSame = (exchange: Exchange, outcome: Outcome): void => {
    general.onEnd(exchange, outcome)
    const meant = { ...line, req: serializedRequest(line!.req, redact), responseTime: Math.round((exchange.endedAt - exchange.acceptedAt) * 1000) / 1000 }
    t.same(JSON.parse(`{${textOf(exchange, outcome)}}`), JSON.parse(JSON.stringify(meant)))
  }
  isSame(exchangeOf({}), OUTCOME)
  isSame(exchangeOf({ kind: 'handshake', attempts: 3, fromTarget: 1e12 }), { ...OUTCOME, reason: 'refused', status: 401 })
  isSame(exchangeOf({ endedAt: 1000 }), OUTCOME)
  isSame(exchangeOf({ endedAt: 86_401_000.001 }), OUTCOME)
  isSame(exchangeOf({ trace: { trace_id: 'a'.repeat(32), span_id: 'b'.repeat(16) } }), OUTCOME)
  for (const text of ['/\u2028', '/"', '/\\', '/ä', '/\u0001', '/\ud800', '/😀', '/plain?a=b', '/?token=a']) {
    isSame(exchangeOf({ route: text, upstream: text, target: { address: { url: text } }, request: { ...REQUEST, url: text, ip: text, host: text, socket: { remotePort: 1 } } }), OUTCOME)
  }
  // What is kept belongs to a connection and a target, and not to what comes on them.
  const [socket, target] = [{ remotePort: 1 }, { address: { url: 'http://127.0.0.1:1' } }]
  for (const [ip, host, route] of [['10.0.0.1', 'a', '/a'], ['10.0.0.2', 'a', '/a'], ['10.0.0.2', 'b', '/a'], ['10.0.0.2', 'b', '/b']]) {
    isSame(exchangeOf({ target, route, request: { ...REQUEST, ip, host, socket } }), OUTCOME)
  }
  for (const [fields, outcome] of [
    [{}, { ...OUTCOME, error: new Error('it has a serializer') }],
    [{}, { ...OUTCOME, status: undefined }],
    [{ target: undefined }, OUTCOME],
    [{ upstream: undefined }, OUTCOME],
    [{ firstByteAt: 0 }, OUTCOME],
    [{ request: { ...REQUEST, headers: { 'accept-version': '1' } } }, OUTCOME],
    [{ request: { ...REQUEST, ip: undefined } }, OUTCOME],
    [{ request: { ...REQUEST, socket: {} } }, OUTCOME]
  ] as Array<[object, Outcome]>) t.equal(textOf(exchangeOf(fields), outcome), undefined)
})
