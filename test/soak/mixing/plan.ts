import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import { random, type Pick } from '../../helpers/random.js'
import { ByteStream } from './byte-stream.js'

/** By what a client reaches the gateway, and the gateway a target. */
export const LEGS = ['tcp', 'tls', 'unix'] as const
export type Leg = typeof LEGS[number]

export type Side = 'client' | 'target'

/** What one side of an exchange does. */
export interface Part {
  /** Bytes of its body. */
  size: number
  /** Whether it says how long its body is. */
  sized: boolean
  /** Its messages, each as the sizes of its fragments. */
  messages: number[][]
  /** Whether it rests while it reads. */
  slow: boolean
}

/** All that is known of an exchange by its number, at both ends of it. */
export interface Plan {
  number: number
  /** The listener and the target that it goes through. */
  from: Leg
  to: Leg
  kind: 'download' | 'upload' | 'both' | 'session'
  path: string
  parts: Record<Side, Part>
  /**
   * Who ends a session, and how: with a Close, or without one, once it has sent everything; or by a reset somewhere,
   * which is also how bodies break off. Without it the exchange ends by itself.
   */
  ending: { by: Side, how: 'close' | 'end' | 'reset', at: number } | undefined
}

const MIB = 1024 * 1024

export function planOf (number: number): Plan {
  const pick = random(Math.imul(number + 1, 0x2c1b3c6d))
  const kind = (['download', 'upload', 'both', 'session', 'session'] as const)[pick(5)]!
  const [from, to] = [LEGS[number % 3]!, LEGS[Math.floor(number / 3) % 3]!]
  const parts = { client: part(pick, kind), target: part(pick, kind) }
  const by = pick(2) === 0 ? 'client' : 'target'
  const at = pick(kind === 'session' ? parts[by].messages.length + 1 : (kind === 'upload' ? parts.client : parts.target).size + 1)
  const how = kind === 'session' ? (['close', 'close', 'end', 'reset'] as const)[pick(4)]! : 'reset'
  return { number, from, to, kind, path: `${pick(2) === 0 ? '' : '/hooked'}/${to}/${number}`, parts, ending: pick(100) < (kind === 'session' ? 60 : 20) ? { by, how, at } : undefined }
}

function part (pick: Pick, kind: Plan['kind']): Part {
  const messages = kind !== 'session'
    ? []
    : Array.from({ length: 1 + pick(24) }, () => {
      const fragments = pick(100) < 30 ? 1 + pick(4) : 1
      return Array.from({ length: fragments }, () => small(pick, MIB / fragments + 1))
    })
  return { size: small(pick, 12 * MIB), sized: pick(2) === 0, messages, slow: pick(100) < 40 }
}

/** Below a limit, and more often small. At times 0. */
function small (pick: Pick, limit: number): number {
  return pick(20) === 0 ? 0 : pick(pick(Math.floor(limit)) + 1)
}

/** What a side sends. */
export const streamOf = ({ number }: Plan, side: Side): ByteStream => new ByteStream(2 * number + (side === 'client' ? 0 : 1))

/** A rest of a slow reader: of a few turns, or long enough for all buffers to fill. */
export async function rest (pick: Pick): Promise<void> {
  if (pick(3) === 0) return await wait(1 + pick(40))
  for (let turns = 1 + pick(20); turns > 0; turns--) await turn()
}

/** The reader of a body rests now and then. */
export const rests = (pick: Pick, slow: boolean): boolean => slow && pick(5) === 0
