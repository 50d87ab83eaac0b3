import { request, type IncomingMessage, type RequestOptions } from 'node:http'
import type { Socket } from 'node:net'
import { randomBytes } from 'node:crypto'
import { acceptOf } from '../../message/accept-key.js'
import { Cancellation } from '../../net/cancellation.js'
import { dial } from '../../net/dial.js'
import { pathAt, type TargetAddress } from '../../net/target-address.js'
import type { TlsClient } from '../../net/tls.js'

/** What a check does. */
export interface CheckPlan {
  kind: 'http' | 'tcp' | 'websocket'
  path: string
  /** Milliseconds that it may take. */
  timeout: number
  passes (status: number): boolean
  host: string | undefined
  headers: Readonly<Record<string, string>>
  tls: TlsClient
}

/** A close frame with the code 1000, masked with zeros as a client's (RFC 6455 §5.3 and §5.5.1). */
const CLOSE = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8])

/** Milliseconds that a target has for its part of the closing handshake. The check has passed by then. */
const CLOSE_TIMEOUT = 1_000

/**
 * Checks a target once, on a connection of its own.
 *
 * @returns What is wrong with it; undefined for nothing.
 */
export function check (address: TargetAddress, plan: CheckPlan, cancellation: Cancellation): Promise<string | undefined> {
  return new Promise(resolve => {
    let socket: Socket | undefined
    const settle = (fault: string | undefined, keepsOpen = false): void => {
      clearTimeout(timer)
      if (!keepsOpen) socket?.destroy()
      resolve(fault)
    }
    const dialling = new Cancellation()
    const giveUp = (error: Error): void => {
      dialling.cancel(error)
      settle(error.message)
    }
    const timer = setTimeout(() => giveUp(new Error(`no result within ${plan.timeout} ms`)), plan.timeout).unref()
    cancellation.listener = giveUp
    dial(address, { timeout: plan.timeout, tls: plan.tls.options, cancellation: dialling }).then(connected => {
      socket = connected.on('error', error => settle(error.message)).once('close', () => settle('the connection was closed'))
      if (plan.kind === 'tcp') settle(undefined)
      else if (plan.kind === 'http') checkHttp(connected, address, plan, settle)
      else checkWebSocket(connected, address, plan, settle)
    }).catch((error: Error) => settle(error.cause instanceof Error ? error.cause.message : error.message))
  })
}

function requestOptions (socket: Socket, address: TargetAddress, { path, host, headers }: CheckPlan): RequestOptions {
  return { createConnection: () => socket, path: pathAt(address, path), headers: { Host: host ?? address.host, 'User-Agent': 'sluice', ...headers } }
}

type Settle = (fault: string | undefined, keepsOpen?: boolean) => void

function checkHttp (socket: Socket, address: TargetAddress, plan: CheckPlan, settle: Settle): void {
  request(requestOptions(socket, address, plan))
    .on('response', ({ statusCode }: IncomingMessage) => settle(plan.passes(statusCode!) ? undefined : `the check got status ${statusCode}`))
    .on('error', error => settle(error.message))
    .end()
}

/** Opens a WebSocket, and closes it with 1000. */
function checkWebSocket (socket: Socket, address: TargetAddress, plan: CheckPlan, settle: Settle): void {
  const key = randomBytes(16).toString('base64')
  const options = requestOptions(socket, address, plan)
  const headers = { ...options.headers, Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': key }
  request({ ...options, headers })
    .on('response', ({ statusCode }: IncomingMessage) => settle(`the handshake was refused with ${statusCode}`))
    .on('upgrade', (response: IncomingMessage, upgraded: Socket) => {
      if (response.headers['sec-websocket-accept'] !== acceptOf(key)) return settle('the handshake got a wrong Sec-WebSocket-Accept')
      settle(undefined, true)
      const timer = setTimeout(() => upgraded.destroy(), CLOSE_TIMEOUT).unref()
      upgraded.once('close', () => clearTimeout(timer)).on('end', () => upgraded.end()).resume().write(CLOSE)
    })
    .on('error', error => settle(error.message))
    .end()
}
