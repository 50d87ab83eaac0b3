import type { FastifyBaseLogger, FastifyServerOptions } from 'fastify'
import { Writable } from 'node:stream'
import { prettyFactory } from 'pino-pretty'
import type { LogLevel } from '../options/index.js'
import { redactedLogs } from '../observers/redaction.js'

/** Where log lines go: process.stdout, usually. */
export interface LogOutput {
  write (line: string): unknown
  /** Whether it is a terminal. */
  isTTY?: boolean | undefined
}

const survived = new WeakSet<object>()

/** Lets no fault of an output end the process: its reader may go away (`sluice | head -1`), or its disk be full. */
export function surviveOutput (output: object): void {
  if (!(output instanceof Writable) || survived.has(output)) return
  survived.add(output)
  output.on('error', () => {})
}

/**
 * The service's logger, as Fastify's option `logger`: pino, readable on a terminal and JSON otherwise.
 *
 * @param level The least level that is logged. Default: info.
 * @param secrets Names of query parameters whose values are not logged. Default: those that usually hold secrets.
 */
export function loggerOptions (level: LogLevel = 'info', secrets?: readonly string[], output: LogOutput = process.stdout): NonNullable<FastifyServerOptions['logger']> {
  surviveOutput(output)
  const redacted = redactedLogs(secrets)
  if (output.isTTY !== true) return { ...redacted, level, stream: output as { write (line: string): void } }
  // In the process itself, not in a worker thread as pino's transports: the last lines before exit arrive.
  const pretty = prettyFactory({ colorize: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' })
  return { ...redacted, level, stream: { write: line => { output.write(pretty(line)) } } }
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
