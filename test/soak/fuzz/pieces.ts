import type { Socket } from 'node:net'
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import type { Pick } from '../../helpers/random.js'
import { chance, cut } from './random-bytes.js'

/** Sends all bytes, in pieces, as long as the connection takes them. */
export async function sendAll (pick: Pick, socket: Socket, bytes: Buffer): Promise<void> {
  for (const piece of cut(pick, bytes)) {
    if (socket.destroyed || !socket.writable) return
    socket.write(piece)
    if (chance(pick, 40)) await turn()
    else if (chance(pick, 20)) await wait(pick(15))
  }
}

/** Sends bytes in pieces, and at times not all of them. */
export async function send (pick: Pick, socket: Socket, bytes: Buffer): Promise<void> {
  await sendAll(pick, socket, chance(pick, 10) ? bytes.subarray(0, pick(bytes.length + 1)) : bytes)
}
