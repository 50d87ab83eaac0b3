import type { FastifyInstance } from 'fastify'
import { OptionsInvalidError } from '../errors.js'
import type { MessageFunction } from '../options/index.js'
import { show } from '../options/validate.js'
import { drop } from '../types.js'
import { compileMessageRules } from '../policies/message-rules.js'
import { CloseCode } from '../websocket/relay/frames.js'
import { NO_HOOKS, type CompileRules, type MessageSide, type SessionOptions } from '../websocket/route.js'

type Hooks = Record<MessageSide, MessageFunction[]>

/** Under this key, a scope has the hooks that were added to it. */
const HOOKS = Symbol('sluice.messageHooks')

/**
 * Adds a hook to a scope.
 *
 * @throws {OptionsInvalidError} for another side, or what is not a function.
 */
export function addMessageHook (scope: FastifyInstance, side: MessageSide, hook: MessageFunction): void {
  if (side !== 'fromClient' && side !== 'fromTarget') throw new OptionsInvalidError('app.addMessageHook()', `its first argument must be 'fromClient' or 'fromTarget', got ${show(side)}`)
  if (typeof hook !== 'function') throw new OptionsInvalidError('app.addMessageHook()', `its second argument must be a function, got ${show(hook)}`)
  const holder = scope as { [HOOKS]?: Hooks }
  if (!Object.hasOwn(holder, HOOKS)) holder[HOOKS] = { fromClient: [], fromTarget: [] }
  holder[HOOKS]![side].push(hook)
}

/**
 * Compiles the rules of a route to hooks.
 *
 * @param where The route, for errors.
 */
export function rulesCompiler (where: string): CompileRules {
  return (rules, side) => {
    const check = compileMessageRules(rules, where, `websocket.messages.${side}`)
    return ({ text }) => {
      const invalid = check(text)
      if (invalid === undefined) return undefined
      return invalid.action === 'drop' ? drop : { violation: invalid.reason, code: CloseCode.policy }
    }
  }
}

/** Puts the hooks of a route's scopes, the outermost first, before those of the route. */
export function joinMessageHooks (scope: FastifyInstance, options: SessionOptions): void {
  // Fastify makes each scope with its parent as its prototype.
  for (let holder: { [HOOKS]?: Hooks } | null = scope as { [HOOKS]?: Hooks }; holder !== null; holder = Object.getPrototypeOf(holder)) {
    if (!Object.hasOwn(holder, HOOKS)) continue
    const { fromClient, fromTarget } = holder[HOOKS]!
    const own = options.messages ?? NO_HOOKS
    options.messages = { ...own, fromClient: [...fromClient, ...own.fromClient], fromTarget: [...fromTarget, ...own.fromTarget] }
  }
}
