import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import { random } from '../../helpers/random.js'
import { reset } from '../fuzz/bad-target.js'
import { rest, streamOf, type Plan, type Side } from './plan.js'

/** How a session went for one side. */
export interface TalkOutcome {
  sent: number
  received: number
  bytes: number
  fault?: string
  code: number
}

/** So much may wait to be sent. */
const AHEAD = 512 * 1024

/** A side of a session: sends its messages, checks those of the other, and ends it if that is its part. */
export async function talk (plan: Plan, side: Side, socket: WebSocket, connection: Socket): Promise<TalkOutcome> {
  const other = side === 'client' ? 'target' : 'client'
  const outcome: TalkOutcome = { sent: 0, received: 0, bytes: 0, code: 0 }
  const wanted = plan.parts[other].messages
  const stream = streamOf(plan, other)
  const pick = random(plan.number * 2 + (side === 'client' ? 0 : 1))
  let heard = (): void => {}
  const isOpen = (): boolean => socket.readyState === socket.OPEN
  socket.binaryType = 'nodebuffer'
  socket.on('message', (data: Buffer) => {
    const size = wanted[outcome.received]?.reduce((sum, fragment) => sum + fragment, 0)
    if (data.length !== size || !stream.check(data)) outcome.fault ??= `session ${plan.number}: message ${outcome.received} at the ${side} has ${data.length} bytes of ${size}, or others`
    outcome.received++
    outcome.bytes += data.length
    heard()
    if (!plan.parts[side].slow || pick(3) > 0) return
    socket.pause()
    rest(pick).then(() => socket.resume(), () => {})
  })
  socket.on('error', () => {})
  const closed = new Promise<void>(resolve => {
    socket.once('close', code => {
      outcome.code = code
      heard()
      resolve()
    })
  })

  const own = streamOf(plan, side)
  const { ending, parts } = plan
  const mine = ending?.by === side ? ending : undefined
  for (const [index, fragments] of parts[side].messages.entries()) {
    if (mine?.how === 'reset' && index === mine.at) break
    for (const [place, size] of fragments.entries()) {
      if (!isOpen()) break
      const sent = new Promise<void>(resolve => socket.send(own.take(size), { binary: true, fin: place === fragments.length - 1 }, () => resolve()))
      if (socket.bufferedAmount > AHEAD) await Promise.race([sent, closed])
    }
    if (!isOpen()) break
    outcome.sent++
  }
  if (mine?.how === 'reset') {
    reset(connection)
  } else if (mine?.how === 'end') {
    connection.end()
  } else if (mine !== undefined) {
    socket.close(1000)
  } else if (ending === undefined) {
    // Nobody ends it before it is all there.
    while (isOpen() && outcome.received < wanted.length) await new Promise<void>(resolve => { heard = resolve })
    if (side === 'client') socket.close(1000)
  }
  await closed
  return outcome
}

/** What must be true of a session, from how it went for both sides; what is not. */
export function faultOf (plan: Plan, client: TalkOutcome, target: TalkOutcome): string | undefined {
  const fault = client.fault ?? target.fault
  if (fault !== undefined) return fault
  const { ending, parts } = plan
  const told = `(${JSON.stringify({ ending, client, target })})`
  const all = { client: target.received === parts.client.messages.length, target: client.received === parts.target.messages.length }
  if (ending === undefined) return all.client && all.target && client.code === 1000 && target.code === 1000 ? undefined : `session ${plan.number}: not all messages arrived, or another end ${told}`
  if (ending.how === 'reset') return undefined
  // Whoever ends it has sent all before.
  const reader = ending.by === 'client' ? target : client
  if (!all[ending.by]) return `session ${plan.number}: not all messages arrived before the end ${told}`
  const code = ending.how === 'close' ? 1000 : 1006
  return reader.code === code ? undefined : `session ${plan.number}: ended with ${reader.code}, not ${code} ${told}`
}
