import type { FastifyBaseLogger } from 'fastify'
import { OptionsInvalidError } from '../errors.js'
import type { WebSocketOptions } from '../options/index.js'
import type { WebSocketSession } from '../types.js'
import { functionOf } from './option-names.js'
import { SessionSocket } from './sockets.js'

interface Context { log: FastifyBaseLogger }
type Hook = (context: Context, source: SessionSocket, target: SessionSocket) => unknown

type SessionHooks = Pick<WebSocketOptions, 'onSession' | 'onSessionEnd'>

const HOOKS = ['onConnect', 'onDisconnect', 'onIncomingMessage', 'onOutgoingMessage', 'onReconnect', 'onPong'] as const
type Hooks = Partial<Record<typeof HOOKS[number], Hook>>

/** Hooks that look into the stream of frames, which the gateway does not do yet. */
const NOT_YET = ['onIncomingMessage', 'onOutgoingMessage', 'onReconnect', 'onPong'] as const

/**
 * `wsHooks` as hooks of sessions.
 *
 * @param own Those of `passthrough`, which are called first.
 * @throws {OptionsInvalidError} for what is not a hook, or not a function.
 */
export function sessionHooks (given: unknown, reconnect: unknown, log: FastifyBaseLogger, where: string, own: SessionHooks): SessionHooks {
  const hooks = hooksOf(given, where)
  if (reconnect) throw new OptionsInvalidError(where, "option 'wsReconnect' is not supported yet. Remove it: the client comes back by itself when its session ends.")
  for (const name of NOT_YET) if (hooks[name] !== undefined) throw new OptionsInvalidError(where, `option 'wsHooks.${name}' is not supported yet. Remove it.`)
  const { onConnect, onDisconnect } = hooks
  if (onConnect === undefined && onDisconnect === undefined) return own
  const open = new WeakMap<WebSocketSession, { context: Context, source: SessionSocket, target: SessionSocket }>()
  return {
    onSession: session => {
      const context = { log: log.child({ reqId: session.request.id }) }
      const sockets = { context, source: new SessionSocket(session, 'client'), target: new SessionSocket(session, 'target') }
      open.set(session, sockets)
      callHook('onConnect', onConnect, sockets)
      return own.onSession?.(session)
    },
    onSessionEnd: (session, end) => {
      const sockets = open.get(session)!
      for (const socket of [sockets.source, sockets.target]) guarded(sockets.context, "a listener of 'close'", () => socket.end(end))
      callHook('onDisconnect', onDisconnect, sockets)
      return own.onSessionEnd?.(session, end)
    }
  }
}

function hooksOf (given: unknown, where: string): Hooks {
  if (given === undefined || given === null) return {}
  if (typeof given !== 'object') throw new OptionsInvalidError(where, "option 'wsHooks' must be an object of functions")
  for (const name of Object.keys(given)) {
    if (!(HOOKS as readonly string[]).includes(name)) throw new OptionsInvalidError(where, `option 'wsHooks.${name}': there is no such hook; known are ${HOOKS.join(', ')}`)
  }
  return Object.fromEntries(HOOKS.map(name => [name, functionOf((given as Record<string, unknown>)[name], where, `wsHooks.${name}`)]))
}

function callHook (name: string, hook: Hook | undefined, { context, source, target }: { context: Context, source: SessionSocket, target: SessionSocket }): void {
  if (hook !== undefined) guarded(context, `${name} hook`, () => hook(context, source, target))
}

/** An error must not take the session with it. The text is that of @fastify/http-proxy. */
function guarded ({ log }: Context, what: string, call: () => unknown): void {
  const report = (err: unknown): void => log.error({ err }, `proxy ws error from ${what}`)
  try {
    Promise.resolve(call()).catch(report)
  } catch (error) {
    report(error)
  }
}
