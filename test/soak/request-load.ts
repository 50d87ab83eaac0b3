import { Agent, request } from 'node:http'

/** How requests went. */
export interface Served {
  /** By status, or the error's code. */
  outcomes: Record<string, number>
  /** The slowest, in milliseconds. */
  slowest: number
  count: number
}

/** So many GETs a second, in equal steps, until it is stopped. */
export class RequestLoad {
  readonly #url: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 500 })
  readonly #timer: NodeJS.Timeout
  readonly #pending = new Set<Promise<void>>()
  #served: Served = { outcomes: {}, slowest: 0, count: 0 }

  constructor (url: string, rate: number) {
    this.#url = url
    let begun = 0
    const start = performance.now()
    this.#timer = setInterval(() => {
      for (const due = (performance.now() - start) * rate / 1_000; begun < due; begun++) this.#send()
    }, 5)
  }

  #send (): void {
    const served = this.#served
    const start = performance.now()
    const done = new Promise<void>(resolve => {
      const end = (outcome: string): void => {
        served.outcomes[outcome] = (served.outcomes[outcome] ?? 0) + 1
        served.slowest = Math.max(served.slowest, performance.now() - start)
        served.count++
        resolve()
      }
      request(this.#url, { agent: this.#agent })
        .on('response', response => { response.resume().on('end', () => end(String(response.statusCode))).on('error', error => end(error.message)) })
        .on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message))
        .end()
    })
    this.#pending.add(done)
    done.finally(() => this.#pending.delete(done))
  }

  /** What was sent since it was asked for last, once all of it is served. */
  async served (): Promise<Served> {
    const served = this.#served
    this.#served = { outcomes: {}, slowest: 0, count: 0 }
    await Promise.all(this.#pending)
    return served
  }

  async stop (): Promise<Served> {
    clearInterval(this.#timer)
    const served = await this.served()
    this.#agent.destroy()
    return served
  }
}
