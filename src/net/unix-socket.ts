import { lstat, rm } from 'node:fs/promises'
import { once } from 'node:events'
import { connect } from 'node:net'

/** Removes the socket of a process that was killed. One at which somebody listens stays, as does any other file. */
export async function removeStaleSocket (path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined)
  if (found?.isSocket() !== true) return
  const socket = connect(path)
  try {
    await once(socket, 'connect')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') await rm(path, { force: true })
  } finally {
    socket.destroy()
  }
}
