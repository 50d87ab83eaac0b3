import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { GatewayConfig } from '../../../src/options/index.js'
import { createGateway, type GatewayServer } from '../../../src/service/gateway.js'
import { serve } from '../program.js'
import { usage } from '../usage.js'

/** The service of a soak test, in a process of its own. */

let gateway: GatewayServer
const delay = monitorEventLoopDelay({ resolution: 1 })

const answers = {
  /** Listens; gives the port. */
  async start (config: GatewayConfig): Promise<number> {
    gateway = await createGateway(config, { logger: false })
    return Number(new URL(await gateway.listen()).port)
  },

  /** Puts another configuration in force; gives how long that took, in milliseconds, and how many sessions end. */
  async reload (config: GatewayConfig): Promise<{ took: number, sessionsEnded: number } | { error: string }> {
    const before = performance.now()
    try {
      const { sessionsEnded } = await gateway.reload(config)
      return { took: performance.now() - before, sessionsEnded }
    } catch (error) {
      return { error: (error as Error).message }
    }
  },

  sessions (): number {
    return gateway.app.gateway.sessions.size
  },

  /** How long the event loop has stood still at the most since this was last asked, in milliseconds. */
  longestStall (): number {
    const longest = Math.max(delay.max / 1e6 - 1, 0)
    delay.enable()
    delay.reset()
    return longest
  },

  /** The address of the admin listener. */
  admin: () => gateway.adminAddress!,

  usage,

  async close (): Promise<void> {
    await gateway.close()
  }
}

export type ServiceResponses = typeof answers
serve(answers)
