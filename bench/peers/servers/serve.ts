import { readFileSync, writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import type { Tls } from '../peer.js'

/** What a program is started with, as JSON: `program SETUP`. */
export interface ServerSetup {
  /** Where it is to listen, on 127.0.0.1. */
  port: number
  /** What it is to proxy, on 127.0.0.1. */
  targetPort: number
  /** On one of its sides. A target's certificate is not verified. */
  tls?: Tls | undefined
  /** URL of the package, where it may be in several places. */
  entry?: string | undefined
  /** Of the service: what it has beside its routes. Undefined for the plugin in an app. */
  service?: { accessLog: boolean, admin: boolean, tracing?: boolean } | undefined
  /** What the sessions of the plugin have: hooks that change nothing, or another target when theirs is lost. */
  sessions?: 'hooks' | 'reconnect' | undefined
}

/** The same, as the programs need it. */
export interface Serving extends Omit<ServerSetup, 'tls'> {
  /** URL of the target. */
  target: string
  isTargetTls: boolean
  /** What it shows to its clients, when it speaks TLS with them. */
  certificate: { cert: Buffer, key: Buffer } | undefined
}

/** What the benchmark asks of a proxy in Node. */
export type ServerMessage =
  | { do: 'collect garbage' }
  | { do: 'start profile' }
  | { do: 'stop profile', file: string }

/** Runs a proxy as a program. */
export async function serve (listen: (serving: Serving) => unknown): Promise<void> {
  const { tls, ...setup } = JSON.parse(process.argv[2]!) as ServerSetup
  const isTargetTls = tls?.side === 'target'
  await listen({
    ...setup,
    target: `${isTargetTls ? 'https' : 'http'}://127.0.0.1:${setup.targetPort}`,
    isTargetTls,
    certificate: tls?.side === 'client' ? { cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile) } : undefined
  })
}

const inspector = new Session()

const answer = async (message: ServerMessage): Promise<void> => {
  switch (message.do) {
    case 'collect garbage':
      globalThis.gc!()
      // What the first has made unreachable by finalizers.
      globalThis.gc!()
      return
    case 'start profile':
      inspector.connect()
      await inspector.post('Profiler.enable')
      await inspector.post('Profiler.setSamplingInterval', { interval: 200 })
      await inspector.post('Profiler.start')
      return
    case 'stop profile': {
      const { profile } = await inspector.post('Profiler.stop')
      inspector.disconnect()
      writeFileSync(message.file, JSON.stringify(profile))
    }
  }
}

process.on('message', (message: ServerMessage) => {
  answer(message).then(() => process.send!({}), (error: unknown) => process.send!({ error: String(error) }))
})
process.once('disconnect', () => process.exit())
process.once('SIGTERM', () => process.exit())
