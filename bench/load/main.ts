import { ClosedLoop, type LoadLimits, type LoadResult } from './closed-loop.js'
import type { Address } from './connect.js'
import { Exchange, getRequest, uploadRequest } from './http.js'
import { startTarget } from './target.js'
import { Echo, Handshake, openIdle } from './websocket.js'

/** The process on the second core: the target of all proxies, and the load. */

/** What a load does over and over. */
export type Operation =
  | { kind: 'echo', size: number }
  | { kind: 'handshake' }
  | { kind: 'get', size: number }
  | { kind: 'upload', size: number }

export type LoadMessage =
  | { do: 'target', certFile: string, keyFile: string }
  | { do: 'load', operation: Operation, limits: LoadLimits, address: Address, pid: number }
  | { do: 'open idle', sessions: number, address: Address }
  | { do: 'close idle' }

let closeIdle: Array<() => void> = []

const answer = async (message: LoadMessage): Promise<object> => {
  switch (message.do) {
    case 'target': return startTarget(message)
    case 'load': return load(message)
    case 'open idle':
      closeIdle.push(await openIdle(message.address, message.sessions))
      return {}
    case 'close idle':
      for (const close of closeIdle) close()
      closeIdle = []
      return {}
  }
}

function load ({ operation, limits, address, pid }: Extract<LoadMessage, { do: 'load' }>): Promise<LoadResult> {
  const loop = new ClosedLoop(limits, pid)
  if (operation.kind === 'echo') return loop.run(() => new Echo(loop, address, operation.size))
  if (operation.kind === 'handshake') return loop.run(() => new Handshake(loop, address))
  const request = operation.kind === 'get' ? getRequest(`/bytes/${operation.size}`, address.port) : uploadRequest(operation.size, address.port)
  return loop.run(() => new Exchange(loop, address, request))
}

process.on('message', (message: LoadMessage) => {
  answer(message).then(
    result => process.send!(result),
    (error: unknown) => process.send!({ error: error instanceof Error ? error.message : String(error) })
  )
})
process.once('disconnect', () => process.exit())
