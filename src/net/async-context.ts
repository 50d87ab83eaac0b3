import { AsyncResource } from 'node:async_hooks'

/**
 * A function that runs in the async context in which it was made, whoever calls it. `AsyncResource.bind()` does the
 * same, and gives each function a property with a deprecation of its own on Node 20, which costs more than a handshake
 * has to spare.
 */
export function inContext<Args extends unknown[], Result> (run: (...args: Args) => Result): (...args: Args) => Result {
  const resource = new AsyncResource('SluiceContext')
  return (...args) => resource.runInAsyncScope(run, undefined, ...args)
}
