import type { FastifyBaseLogger } from 'fastify'
import type { LineLevel, LineWriter } from '../../observers/access-log.js'
import { serializedRequest, type RedactUrl } from '../../observers/redaction.js'
import type { LogLines } from './lines.js'
import { requestTexts } from './request-text.js'

/** The levels of pino, as it writes them. */
const VALUES: { readonly [level in LineLevel]: number } = { info: 30, warn: 40, error: 50 }

type Pino = FastifyBaseLogger & Record<symbol, unknown> & { isLevelEnabled (level: string): boolean }

/**
 * Writes lines without a detour over pino's serializers, which cost more than the line.
 * What a logger puts into each of its lines, and where it writes to, is found only under symbols of pino's that it does
 * not document (ARCHITECTURE.md, rule 6). Where they are not there, or the log is another one, the logger writes the line.
 *
 * @param logger That of the service, of which the logs of requests are children.
 * @returns Undefined where every line must go through the logger.
 */
export function accessLines (logger: FastifyBaseLogger, lines: LogLines, redact: RedactUrl): LineWriter | undefined {
  const bindings = symbolOf(logger, 'pino.chindings')
  const stream = symbolOf(logger, 'pino.stream')
  if (bindings === undefined || stream === undefined || !lines.isJson) return undefined
  const requestText = requestTexts(redact)
  /** What the log puts into each line; undefined if it is not one of the service's. */
  const bindingsOf = (log: FastifyBaseLogger): string | undefined => {
    const pino = log as Pino
    return pino[stream] === lines ? pino[bindings] as string : undefined
  }
  const write = (level: LineLevel, bound: string, fields: string, text: string): void => {
    lines.write(`{"level":${VALUES[level]},"time":${Date.now()}${bound},${fields},"msg":"${text}"}\n`)
  }
  return {
    request (exchange, outcome, text) {
      const bound = bindingsOf(exchange.log)
      if (bound === undefined) return false
      // Nothing is made of what is not logged.
      if (!(exchange.log as Pino).isLevelEnabled('info')) return true
      const fields = requestText(exchange, outcome)
      if (fields === undefined) return false
      write('info', bound, fields, text)
      return true
    },
    line (log, level, line, text) {
      const bound = bindingsOf(log)
      // An error has a serializer of its own.
      if (bound === undefined || line.err !== undefined) log[level](line, text)
      else if ((log as Pino).isLevelEnabled(level)) write(level, bound, JSON.stringify({ ...line, req: serializedRequest(line.req, redact) }).slice(1, -1), text)
    }
  }
}

function symbolOf (logger: object, description: string): symbol | undefined {
  for (let object: object | null = logger; object !== null; object = Object.getPrototypeOf(object) as object | null) {
    const found = Object.getOwnPropertySymbols(object).find(symbol => symbol.description === description)
    if (found !== undefined) return found
  }
  return undefined
}
