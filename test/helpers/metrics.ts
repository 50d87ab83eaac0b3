import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { WebSocket } from 'ws'
import { echoBackend, gatewayApp } from './backends.js'
import { openSocket } from './sockets.js'

/** A gateway that has served a request, and has a session. */
export async function usedGateway (t: Test, setup: (app: FastifyInstance) => unknown = () => {}): Promise<{ app: FastifyInstance, socket: WebSocket }> {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  await setup(app)
  app.proxy('/*', { upstream: backend.url, websocket: true })
  const url = await app.listen({ port: 0 })
  await (await fetch(url)).text()
  const socket = await openSocket(url)
  t.teardown(() => socket.terminate())
  return { app, socket }
}

/** Metrics in the text format of Prometheus. */
export interface Samples {
  readonly text: string
  /** The sum of all samples of a metric that have these labels; undefined for none. */
  value (name: string, labels: Record<string, string>): number | undefined
  /** The names of all families. */
  readonly families: string[]
}

const SAMPLE = /^([a-z_:]+)(?:\{(.*)\})? (\S+)$/i
const LABEL = /([a-z_]+)="((?:[^"\\]|\\.)*)"/gi

export function samplesOf (text: string): Samples {
  const samples = text.split('\n').flatMap(line => {
    const [, name, labels = '', value] = SAMPLE.exec(line) ?? []
    if (name === undefined) return []
    return [{ name, labels: new Map([...labels.matchAll(LABEL)].map(([, label, text]) => [label!, text!])), value: Number(value) }]
  })
  return {
    text,
    value: (name, labels) => {
      const found = samples.filter(sample => sample.name === name && Object.entries(labels).every(([label, wanted]) => (sample.labels.get(label) ?? '') === wanted))
      return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0)
    },
    families: [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name!)
  }
}
