import type { FastifyBaseLogger } from 'fastify'
import { OptionsInvalidError } from '../errors.js'
import type { MessageFunction, WebSocketOptions } from '../options/index.js'
import type { WebSocketSession } from '../types.js'
import { functionOf } from './option-names.js'
import { SessionSocket } from './sockets.js'

interface Context { log: FastifyBaseLogger }
type Hook = (context: Context, source: SessionSocket, target: SessionSocket, message?: { data: Buffer, binary: boolean }) => unknown

/** What `wsHooks` become. */
type SessionHooks = Pick<WebSocketOptions, 'onSession' | 'onSessionEnd' | 'onPong' | 'messages' | 'reconnect'>

const HOOKS = ['onConnect', 'onDisconnect', 'onIncomingMessage', 'onOutgoingMessage', 'onReconnect', 'onPong'] as const
type Name = typeof HOOKS[number]
type Hooks = Partial<Record<Name, Hook>>

/** What a session's hooks are called with. */
interface Sockets { context: Context, source: SessionSocket, target: SessionSocket }

/** The default of ws for the longest message. */
const MAX_PAYLOAD = 100 * 1024 * 1024

/**
 * `wsHooks` as hooks of sessions.
 *
 * @param own Those of `passthrough`, which are called first.
 * @param maxPayload Bytes of the longest message of either side; undefined for the limit of ws.
 * @throws {OptionsInvalidError} for what is not a hook, or not a function.
 */
export function sessionHooks (given: unknown, log: FastifyBaseLogger, where: string, own: SessionHooks, maxPayload: number | undefined): SessionHooks {
  const hooks = hooksOf(given, where)
  if (Object.values(hooks).every(hook => hook === undefined)) return own
  const open = new WeakMap<WebSocketSession, Sockets>()
  const socketsOf = (session: WebSocketSession): Sockets => {
    let sockets = open.get(session)
    if (sockets === undefined) {
      const context = { log: log.child({ reqId: session.request.id }) }
      open.set(session, sockets = { context, source: new SessionSocket(session, 'client'), target: new SessionSocket(session, 'target') })
    }
    return sockets
  }
  const call = (name: Name, session: WebSocketSession, message?: { data: Buffer, binary: boolean }): void => {
    const hook = hooks[name]
    if (hook === undefined) return
    const { context, source, target } = socketsOf(session)
    guarded(context, `${name} hook`, () => message === undefined ? hook(context, source, target) : hook(context, source, target, message))
  }
  return {
    ...messageHooks(hooks, own, maxPayload, call),
    ...own.reconnect !== undefined && {
      reconnect: {
        ...own.reconnect,
        onReconnect: async (session, attempt) => {
          await own.reconnect?.onReconnect?.(session, attempt)
          call('onReconnect', session)
        }
      }
    },
    ...(hooks.onPong !== undefined || own.onPong !== undefined) && {
      onPong: (session, from) => {
        if (from === 'target') call('onPong', session)
        own.onPong?.(session, from)
      }
    },
    onSession: session => {
      call('onConnect', session)
      return own.onSession?.(session)
    },
    onSessionEnd: (session, end) => {
      const { context, source, target } = socketsOf(session)
      for (const socket of [source, target]) guarded(context, "a listener of 'close'", () => socket.end(end))
      call('onDisconnect', session)
      return own.onSessionEnd?.(session, end)
    }
  }
}

/** Hooks that see each message, behind those that may change it. What they return, or throw, changes nothing. */
function messageHooks ({ onIncomingMessage, onOutgoingMessage }: Hooks, { messages }: SessionHooks, maxSize = MAX_PAYLOAD, call: (name: Name, session: WebSocketSession, message: { data: Buffer, binary: boolean }) => void): Pick<SessionHooks, 'messages'> {
  if (onIncomingMessage === undefined && onOutgoingMessage === undefined) return messages === undefined ? {} : { messages }
  const seeing = (name: Name): MessageFunction => ({ data, binary }, session) => call(name, session, { data, binary })
  const { fromClient = [], fromTarget = [], ...options } = messages ?? {}
  return {
    messages: {
      maxSize,
      ...options,
      fromClient: [...[fromClient].flat(), ...onIncomingMessage === undefined ? [] : [seeing('onIncomingMessage')]],
      fromTarget: [...[fromTarget].flat(), ...onOutgoingMessage === undefined ? [] : [seeing('onOutgoingMessage')]]
    }
  }
}

function hooksOf (given: unknown, where: string): Hooks {
  if (given === undefined || given === null) return {}
  if (typeof given !== 'object') throw new OptionsInvalidError(where, "option 'wsHooks' must be an object of functions")
  for (const name of Object.keys(given)) {
    if (!(HOOKS as readonly string[]).includes(name)) throw new OptionsInvalidError(where, `option 'wsHooks.${name}': unknown hook; known are ${HOOKS.join(', ')}`)
  }
  return Object.fromEntries(HOOKS.map(name => [name, functionOf((given as Record<string, unknown>)[name], where, `wsHooks.${name}`)]))
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
