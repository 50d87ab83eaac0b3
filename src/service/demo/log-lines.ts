import { AccessLog, type AccessLine, type LineLevel } from '../../observers/access-log.js'
import { redactUrl, serializedRequest } from '../../observers/redaction.js'
import type { Exchange, Outcome } from '../../proxy/exchange.js'
import { textLines } from '../log/text.js'
import type { LogLine } from './protocol.js'

const VALUES: { readonly [level in LineLevel]: number } = { info: 30, warn: 40, error: 50 }

const textOf = textLines(false)
const redact = redactUrl()

/** A line that the gateway has written, and its text once somebody reads it. */
export class DemoLine {
  readonly level: LineLevel
  readonly json: string
  #text: string | undefined

  constructor (level: LineLevel, json: string) {
    this.level = level
    this.json = json
  }

  toJSON (): LogLine {
    this.#text ??= textOf(this.json).trimEnd()
    return { level: this.level, text: this.#text, json: this.json }
  }
}

/**
 * Gives the line that the gateway's log has of an exchange. It is made by the same code, since what the log writes
 * depends on its level.
 */
export function lineMaker (): (exchange: Exchange, outcome: Outcome) => DemoLine {
  const log = new AccessLog({ accessLog: true })
  let made: DemoLine
  log.writer = {
    request: () => false,
    line: (_log, level, line, text) => { made = new DemoLine(level, jsonOf(level, line, text)) }
  }
  return (exchange, outcome) => {
    log.onEnd(exchange, outcome)
    return made
  }
}

function jsonOf (level: LineLevel, line: AccessLine, msg: string): string {
  const fields = { level: VALUES[level], time: Date.now(), reqId: line.req.id, ...line, req: serializedRequest(line.req, redact) }
  return JSON.stringify({ ...fields, ...line.err !== undefined && { err: errorFields(line.err) }, msg })
}

/** Where it happened in the code is of no use to a page. */
function errorFields (error: Error): object {
  const { name: type, message, cause } = error
  const { code } = error as NodeJS.ErrnoException
  return { type, code, message, ...cause instanceof Error && { cause: errorFields(cause) } }
}
