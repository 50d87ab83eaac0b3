import { STATUS_CODES, type IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { FastifyReply, FastifyRequest, preHandlerAsyncHookHandler } from 'fastify'
import { HandshakeInvalidError, OptionsInvalidError } from '../errors.js'
import { asksForWebSocket } from '../message/upgrade-request.js'
import { compressionOf, functionOf, IDLE_IN_RELAY, maxPayloadOf, understood, type Names } from './option-names.js'

/** What `wsServerOptions` say of the side of the client. */
export interface ServerSide {
  compression: boolean | undefined
  maxPayload: number | undefined
  closeTimeout: unknown
  /** Runs behind all other hooks of a handshake; undefined where there is nothing to check. */
  check: preHandlerAsyncHookHandler | undefined
}

interface ClientInfo { origin: string | undefined, secure: boolean, req: IncomingMessage }
type Verified = (verified: boolean, code?: number, message?: string, headers?: Record<string, string>) => void
type VerifyClient = ((info: ClientInfo) => boolean) | ((info: ClientInfo, verified: Verified) => void)

const ownServer = { refused: 'WebSockets come in on the server of the app. Remove it.' }

const NAMES: Names = {
  ...IDLE_IN_RELAY,
  noServer: 'idle',
  clientTracking: 'idle',
  maxPayload: 'used',
  perMessageDeflate: 'used',
  closeTimeout: 'used',
  verifyClient: 'used',
  path: 'used',
  skipUTF8Validation: 'used',
  handleProtocols: { refused: 'the target chooses among all subprotocols that the client offers. passthrough.protocols limits them. Remove it.' },
  WebSocket: { refused: 'frames are relayed, without an object for each connection. wsHooks get objects that stand for both sides. Remove it.' },
  host: ownServer,
  port: ownServer,
  server: ownServer,
  backlog: ownServer
}

/** @throws {OptionsInvalidError} naming what cannot be honoured, and the fix. */
export function serverSide (given: unknown, where: string, isStrict: boolean): ServerSide {
  const option = 'wsServerOptions'
  const options = understood(given, NAMES, where, option)
  const { path = null, closeTimeout, skipUTF8Validation = true } = options
  if (skipUTF8Validation !== true) throw new OptionsInvalidError(where, `option '${option}.skipUTF8Validation': text is relayed as it is, and its receiver validates it. Remove it.`)
  if (path !== null && typeof path !== 'string') throw new OptionsInvalidError(where, `option '${option}.path' must be a text`)
  const verifyClient = functionOf<VerifyClient>(options.verifyClient, where, `${option}.verifyClient`)
  return {
    compression: compressionOf(options.perMessageDeflate, where, option),
    maxPayload: maxPayloadOf(options.maxPayload, where, option),
    closeTimeout,
    check: path === null && verifyClient === undefined ? undefined : checkOf(path, verifyClient, isStrict)
  }
}

/** What ws does with `path` and `verifyClient` before its 101. */
function checkOf (path: string | null, verifyClient: VerifyClient | undefined, isStrict: boolean): preHandlerAsyncHookHandler {
  return async (request, reply) => {
    const { raw } = request
    if (!asksForWebSocket(raw, isStrict)) return
    if (path !== null && raw.url!.split('?', 1)[0] !== path) throw new HandshakeInvalidError('WebSockets are served at another path')
    if (verifyClient !== undefined) return await verify(verifyClient, request, reply)
  }
}

async function verify (verifyClient: VerifyClient, { raw }: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
  const info: ClientInfo = { origin: raw.headers.origin, secure: (raw.socket as TLSSocket).encrypted === true, req: raw }
  const [verified, code = 401, message = STATUS_CODES[code] ?? '', headers = {}] = await resultOf(verifyClient, info)
  return verified ? undefined : reply.code(code).type('text/plain; charset=utf-8').headers(headers).send(message)
}

/** One that takes two arguments is asynchronous, by its length. */
function resultOf (verifyClient: VerifyClient, info: ClientInfo): Parameters<Verified> | Promise<Parameters<Verified>> {
  if (verifyClient.length !== 2) return [(verifyClient as (info: ClientInfo) => boolean)(info)]
  return new Promise(resolve => { verifyClient(info, (...result) => resolve(result)) })
}
