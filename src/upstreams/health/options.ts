import { OptionsInvalidError } from '../../errors.js'
import type { TlsClient } from '../../net/tls.js'
import { isHost } from '../../message/host.js'
import { isHeaderValue, isToken } from '../../message/headers.js'
import { withDefaults } from '../../options/defaults.js'
import { HealthOptions } from '../../options/index.js'
import type { CheckPlan } from './checks.js'

/** When the targets of an upstream are checked, and how. */
export interface HealthPlan extends CheckPlan {
  /** Milliseconds. */
  interval: number
  fall: number
  rise: number
  port: number | undefined
}

/**
 * @param where What has the options, for errors.
 * @throws {OptionsInvalidError} for no kind of check, or more than one, for an invalid host or header, and for an empty range.
 */
export function healthPlan (options: HealthOptions, tls: TlsClient, where: string): HealthPlan {
  const { path, tcp, websocket, interval, timeout, fall, rise, statuses = ['200-399'], host, headers = {}, port } =
    withDefaults(HealthOptions, options, ['interval', 'timeout', 'fall', 'rise'])
  if (tcp !== undefined && (path !== undefined || websocket !== undefined)) {
    throw new OptionsInvalidError(where, "option 'health': 'tcp' checks a connection alone; remove it, or remove 'path' and 'websocket'")
  }
  if (tcp === undefined && path === undefined && websocket === undefined) {
    throw new OptionsInvalidError(where, "option 'health': it does not say what to check; add one of 'path: /health', 'tcp: true' and 'websocket: true'")
  }
  if (host !== undefined && !isHost(host)) throw new OptionsInvalidError(where, `option 'health.host': '${host}' is not a valid host and port`)
  for (const [name, value] of Object.entries(headers)) {
    if (!isToken(name) || !isHeaderValue(value)) throw new OptionsInvalidError(where, `option 'health.headers': '${name}' is not a valid header`)
  }
  const ranges = statuses.map(one => {
    const [from, to = from] = String(one).split('-').map(Number) as [number, number?]
    if (from > to) throw new OptionsInvalidError(where, `option 'health.statuses': the range '${one}' is empty; write '${to}-${from}'`)
    return [from, to] as const
  })
  return {
    kind: websocket !== undefined ? 'websocket' : tcp !== undefined ? 'tcp' : 'http',
    path: path ?? '/',
    passes: status => ranges.some(([from, to]) => status >= from && status <= to),
    interval,
    timeout,
    fall,
    rise,
    host,
    headers,
    port,
    tls
  }
}
