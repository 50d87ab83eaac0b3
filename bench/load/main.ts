import { ClosedLoop, type LoadLimits, type LoadResult } from './closed-loop.js'
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
  | { do: 'target' }
  | { do: 'load', operation: Operation, limits: LoadLimits, port: number, pid: number }
  | { do: 'open idle', sessions: number, port: number }
  | { do: 'close idle' }

let closeIdle: Array<() => void> = []

const answer = async (message: LoadMessage): Promise<object> => {
  switch (message.do) {
    case 'target': return { port: (await startTarget()).port }
    case 'load': return load(message)
    case 'open idle':
      closeIdle.push(await openIdle(message.port, message.sessions))
      return {}
    case 'close idle':
      for (const close of closeIdle) close()
      closeIdle = []
      return {}
  }
}

function load ({ operation, limits, port, pid }: Extract<LoadMessage, { do: 'load' }>): Promise<LoadResult> {
  const loop = new ClosedLoop(limits, pid)
  if (operation.kind === 'echo') return loop.run(() => new Echo(loop, port, operation.size))
  if (operation.kind === 'handshake') return loop.run(() => new Handshake(loop, port))
  const request = operation.kind === 'get' ? getRequest(`/bytes/${operation.size}`, port) : uploadRequest(operation.size, port)
  return loop.run(() => new Exchange(loop, port, request))
}

process.on('message', (message: LoadMessage) => {
  answer(message).then(
    result => process.send!(result),
    (error: unknown) => process.send!({ error: error instanceof Error ? error.message : String(error) })
  )
})
process.once('disconnect', () => process.exit())
