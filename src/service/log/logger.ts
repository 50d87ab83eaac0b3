import type { FastifyBaseLogger, FastifyServerOptions } from 'fastify'
import { Writable } from 'node:stream'
import { ConfigInvalidError } from '../../errors.js'
import type { LineWriter } from '../../observers/access-log.js'
import { redactedLogs, redactUrl } from '../../observers/redaction.js'
import type { GatewayConfig } from '../../options/index.js'
import { accessLines } from './access-lines.js'
import { LogFile, LogLines, type LogOutput } from './lines.js'
import { textLines } from './text.js'

const survived = new WeakSet<object>()

/** Lets no fault of an output end the process: its reader may go away (`sluice | head -1`), or its disk be full. */
export function surviveOutput (output: object): void {
  if (!(output instanceof Writable) || survived.has(output)) return
  survived.add(output)
  output.on('error', () => {})
}

/** The log of the service. It goes on over reloads. */
export class ServiceLog {
  readonly #lines: LogLines
  readonly #file: LogFile | undefined

  /**
   * @param options.output Where lines go that go to no file. Default: the standard output.
   * @param options.isShared Whether other processes write to it, too.
   * @throws {ConfigInvalidError} when the file cannot be opened.
   */
  constructor ({ logFile, logFormat }: Pick<GatewayConfig, 'logFile' | 'logFormat'> = {}, { output = process.stdout, isShared = false }: { output?: LogOutput, isShared?: boolean } = {}) {
    surviveOutput(output)
    const isTerminal = logFile === undefined && output.isTTY === true
    const isText = (logFormat ?? (isTerminal ? 'text' : 'json')) === 'text'
    const format = isText ? textLines(wantsColours(isTerminal)) : undefined
    try {
      this.#file = logFile === undefined ? undefined : new LogFile(logFile, format)
    } catch (error) {
      throw new ConfigInvalidError(`logFile: ${(error as Error).message}`)
    }
    this.#lines = new LogLines(this.#file ?? output, format, isShared)
  }

  /** Fastify's option `logger`: pino, with lines for this log. */
  options ({ logLevel = 'info', redactQuery }: Pick<GatewayConfig, 'logLevel' | 'redactQuery'> = {}): NonNullable<FastifyServerOptions['logger']> {
    return { ...redactedLogs(redactQuery), level: logLevel, stream: this.#lines }
  }

  /** How access logs write their lines to a logger that was made with these options; undefined where the logger does. */
  accessLines (logger: FastifyBaseLogger, { redactQuery }: Pick<GatewayConfig, 'redactQuery'>): LineWriter | undefined {
    return accessLines(logger, this.#lines, redactUrl(redactQuery))
  }

  /** Opens the file anew. @throws Node's error when it cannot be opened; then lines go where they went before. */
  reopen (): void {
    this.#lines.flush()
    this.#file?.reopen()
  }

  close (): void {
    this.#lines.close()
    this.#file?.close()
  }
}

/** Colours are for terminals, unless somebody wants none (no-color.org), or wants them anyway. */
function wantsColours (isTerminal: boolean): boolean {
  const { NO_COLOR: none = '', FORCE_COLOR: forced = '' } = process.env
  if (none !== '') return false
  return forced === '' ? isTerminal : forced !== '0'
}

const nothing = (): void => {}

/** Logs nothing. Fastify's own logger for that would keep its app in memory, and a session keeps the log of its request. */
export const silence: FastifyBaseLogger = {
  level: 'silent',
  fatal: nothing,
  error: nothing,
  warn: nothing,
  info: nothing,
  debug: nothing,
  trace: nothing,
  silent: nothing,
  child: () => silence
}
