import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import type { Teardown } from './wire.js'

/** A connection, and the bytes by which it was recognised; nothing behind them has been read. */
export interface Met { socket: Socket, head: string }

/**
 * A server that hands its connections to whoever waits for the name that they begin with.
 *
 * @param pattern Matches all that has come as soon as it has; its group is the name.
 */
export async function meetingPoint (t: Teardown, pattern: RegExp): Promise<{ port: number, meet (name: string): Promise<Met> }> {
  const waiting = new Map<string, (met: Met) => void>()
  const server = createServer({ allowHalfOpen: true }, socket => {
    let head = ''
    socket.on('error', () => {})
    const read = (): void => {
      for (let byte = socket.read(1) as Buffer | null; byte !== null; byte = socket.read(1) as Buffer | null) {
        head += byte.toString('latin1')
        const name = pattern.exec(head)?.[1]
        if (name === undefined) continue
        socket.off('readable', read)
        waiting.get(name)?.({ socket, head })
        waiting.delete(name)
        return
      }
    }
    socket.on('readable', read)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return {
    port: (server.address() as AddressInfo).port,
    meet: name => new Promise(resolve => { waiting.set(name, resolve) })
  }
}
