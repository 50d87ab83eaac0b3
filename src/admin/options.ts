import { isIP } from 'node:net'
import type { AdminOptions } from '../options/index.js'

/** What no schema can say of the options of the admin listener, and where; undefined if all is well. */
export function adminFault ({ host = '127.0.0.1', port, socketPath, token }: AdminOptions): { option: string, message: string } | undefined {
  if (socketPath !== undefined && port !== undefined) return { option: 'port', message: 'there is socketPath already; remove one of the two' }
  if (socketPath === undefined && token === undefined && !isLoopback(host)) {
    return { option: 'host', message: `'${host}' is not a loopback address, so whoever can reach it could end sessions; set 'token', or listen on 127.0.0.1 or on a socketPath` }
  }
  return undefined
}

/** Whether only this machine can connect to an address. */
export function isLoopback (host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}
