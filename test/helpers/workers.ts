import { EventEmitter, on, once } from 'node:events'
import { Agent, get } from 'node:http'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { echoBackend } from './backends.js'
import { startBuilt, type BuiltService } from './built-service.js'
import { startCommand } from './command.js'
import { CLI } from './outputs.js'

export interface WorkerRow { id: number, pid: number, state: string, sessions: number }

export const routesTo = (target: string) => ({
  upstreams: { app: { targets: [target] } },
  routes: [{ url: '/*', upstream: 'app', websocket: true }]
})

/** The built service with two workers, in front of a target that echoes. */
export async function startWorkers (t: Test, config: object = {}, options: Parameters<typeof startBuilt>[2] = {}): Promise<BuiltService> {
  const { url } = await echoBackend(t)
  return await startBuilt(t, { workers: 2, drainTimeout: 5_000, ...routesTo(url), ...config }, { ...options, args: ['--pid-file', 'pid', ...options.args ?? []] })
}

export async function workersOf ({ api }: BuiltService): Promise<WorkerRow[]> {
  const { body } = await api('GET', '/api')
  return body.workers as WorkerRow[]
}

/** The ids of the processes, by the number of the worker. */
export async function pidsOf (service: BuiltService): Promise<number[]> {
  return (await workersOf(service)).filter(({ state }) => state === 'serving').sort((one, other) => one.id - other.id).map(({ pid }) => pid)
}

/** Follows the status page's feed until the workers are as they should be. */
export async function untilWorkers ({ admin }: BuiltService, areThere: (workers: WorkerRow[]) => boolean): Promise<WorkerRow[]> {
  const feed = new WebSocket(`${admin.replace('http', 'ws')}/api/feed`)
  try {
    for await (const [data] of on(feed, 'message') as AsyncIterable<[Buffer]>) {
      const { type, workers } = JSON.parse(data.toString()) as { type: string, workers: WorkerRow[] }
      if (type === 'tick' && areThere(workers)) return workers
    }
    throw new Error('the feed has ended')
  } finally {
    feed.terminate()
  }
}

/** Runs the command in the folder of the service, and gives its exit code and what it wrote. */
export async function runSluice ({ folder }: { folder: string }, t: Test, ...args: string[]): Promise<{ code: unknown, text: string }> {
  const command = startCommand(t, process.execPath, [CLI, ...args, '--pid-file', 'pid'], { cwd: folder })
  return { code: await command.ended, text: command.stdout + command.stderr }
}

export interface Load {
  /** Resolves when so many more have been responded to. */
  served (count: number): Promise<void>
  stop (): Promise<{ sent: number, failures: string[] }>
}

/**
 * Sends requests, so many a second, on connections that are kept alive and on new ones, until it is stopped. As every
 * client does, it sends one again whose connection was kept alive and closed by then (RFC 9112 §9.3.1).
 */
export function load (url: string, perSecond: number): Load {
  const agents = [new Agent({ keepAlive: true, maxSockets: 20 }), new Agent({ keepAlive: false })]
  const failures: string[] = []
  const pending = new Set<Promise<void>>()
  const responses = new EventEmitter()
  let sent = 0
  const timer = setInterval(() => {
    const agent = agents[sent++ % 2]!
    const one = new Promise<void>(resolve => {
      const send = (): void => {
        const request = get(url, { agent, timeout: 20_000 }, response => {
          if (response.statusCode !== 200) failures.push(`${response.statusCode}`)
          response.resume().once('close', resolve)
        }).on('timeout', () => request.destroy(new Error('no response'))).on('error', (error: NodeJS.ErrnoException) => {
          if (request.reusedSocket) return send()
          failures.push(error.code ?? error.message)
          resolve()
        })
      }
      send()
    })
    pending.add(one)
    one.finally(() => {
      pending.delete(one)
      responses.emit('response')
    })
  }, 1_000 / perSecond)
  return {
    served: async count => {
      for (let index = 0; index < count; index++) await once(responses, 'response')
    },
    stop: async () => {
      clearInterval(timer)
      await Promise.all(pending)
      for (const agent of agents) agent.destroy()
      return { sent, failures }
    }
  }
}
