import type { Duplex } from 'node:stream'

const cutOff = new WeakSet<Duplex>()

/** Destroys the connection of a client, which is not the one that leaves. */
export function cut (socket: Duplex): void {
  if (!socket.destroyed) cutOff.add(socket)
  socket.destroy()
}

/** Whether it was the gateway that ended a connection, as its time to stop was over. */
export function wasCut (socket: Duplex): boolean {
  return cutOff.has(socket)
}
