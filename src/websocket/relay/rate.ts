import type { SessionRates, SideRate } from '../../proxy/policy.js'
import type { Direction } from './direction.js'

/** Holds back what is not to be read yet of a session that begins. */
export function beginRates ({ client, target }: SessionRates, clientToTarget: Direction, targetToClient: Direction): void {
  const now = performance.now()
  if (client !== undefined) hold(client, clientToTarget, client.begin(now))
  if (target !== undefined) hold(target, targetToClient, target.begin(now))
}

/** Counts what a direction has read, and delays it where that is the rate's action. False for one that is to be ended. */
export function isWithin (rate: SideRate, direction: Direction): boolean {
  const { scanner, wireBytes, readAt } = direction
  // A copy of the Pong for the gateway goes nowhere, but costs as much as another frame.
  const wait = rate.count(scanner.messages, scanner.frames + scanner.ownPongs, wireBytes, readAt)
  // What comes now is read for the source's Close alone, and is not to be held against other sessions.
  if (direction.sinkDone) rate.stop()
  if (wait > 0 && rate.action === 'close') return false
  hold(rate, direction, wait)
  return true
}

function hold (rate: SideRate, direction: Direction, wait: number): void {
  if (wait > 0) direction.delay(wait, () => rate.wait(performance.now()))
}
