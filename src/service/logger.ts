import type { FastifyServerOptions } from 'fastify'
import { prettyFactory } from 'pino-pretty'
import type { LogLevel } from '../options.js'

/** Where log lines go: process.stdout, usually. */
export interface LogOutput {
  write (line: string): unknown
  /** Whether it is a terminal. */
  isTTY?: boolean | undefined
}

/**
 * The service's logger, as Fastify's option `logger`: pino, readable on a terminal and JSON otherwise.
 *
 * @param level The least level that is logged. Default: info.
 */
export function loggerOptions (level: LogLevel = 'info', output: LogOutput = process.stdout): NonNullable<FastifyServerOptions['logger']> {
  if (output.isTTY !== true) return { level, stream: output as { write (line: string): void } }
  // In the process itself, not in a worker thread as pino's transports: the last lines before exit arrive.
  const pretty = prettyFactory({ colorize: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' })
  return { level, stream: { write: line => { output.write(pretty(line)) } } }
}
