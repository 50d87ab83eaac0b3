import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { GatewayConfig } from '../../../src/options/index.js'
import { createGateway, type GatewayServer } from '../../../src/service/index.js'
import type { TargetChange, TargetHealth } from '../../../src/index.js'
import { serve } from '../program.js'

/** A gateway whose targets fail. */

let gateway: GatewayServer
let cpu = process.cpuUsage()
let since = performance.now()
const delays = monitorEventLoopDelay({ resolution: 5 })
delays.enable()
const changes: Array<Pick<TargetChange, 'target' | 'health' | 'reason'> & { at: number }> = []

const responses = {
  async start (config: GatewayConfig): Promise<string> {
    gateway = createGateway({ listen: { port: 0 }, ...config }, { logger: false })
    const address = await gateway.listen()
    gateway.app.gateway.upstreams.onChange(({ target, health, reason }) => { changes.push({ target, health, reason, at: Date.now() }) })
    return address
  },
  targets: () => gateway.upstreams.get('main')!.targets.map(({ url, health, requests, sessions, handshakes, failures }) => ({ url, health, requests, sessions, handshakes, failures })),
  load: () => gateway.upstreams.get('main')!.load,
  /** Bytes in use, and the longest stall of the event loop, in milliseconds, since it was asked for last. */
  async state (): Promise<{ memory: number, stall: number }> {
    const stall = delays.max / 1e6
    for (let round = 0; round < 3; round++) {
      globalThis.gc!()
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    const { heapUsed, external } = process.memoryUsage()
    delays.reset()
    return { memory: heapUsed + external, stall }
  },
  reconnected: () => gateway.app.gateway.sessions.list().filter(({ reconnects }) => reconnects > 0).length,
  sessions: () => gateway.app.gateway.sessions.list().map(({ target, reconnects }) => ({ target, reconnects })),
  /** Resolves when a target has this health, by its place in the list. */
  async until ({ index, health }: { index: number, health: TargetHealth }): Promise<void> {
    const { upstreams } = gateway.app.gateway
    while (upstreams.get('main')!.targets[index]!.health !== health) {
      await new Promise<void>(resolve => {
        const stop = upstreams.onChange(() => {
          stop()
          resolve()
        })
      })
    }
  },
  /** Resolves when nothing is under way. */
  async idle (): Promise<void> {
    const isBusy = (): boolean => Object.values(gateway.upstreams.get('main')!.load).some(count => count > 0)
    while (isBusy()) await new Promise(setImmediate)
  },
  changes: () => changes,
  /** Share of a core since it was asked for last. */
  cpu (): number {
    const now = performance.now()
    const { user, system } = process.cpuUsage(cpu)
    const share = (user + system) / 1_000 / (now - since)
    cpu = process.cpuUsage()
    since = now
    return share
  },
  close: () => gateway.close()
}

export type BalancingGatewayResponses = typeof responses
serve(responses)
