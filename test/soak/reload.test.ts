import { EventEmitter, once } from 'node:events'
import { Agent, get } from 'node:http'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import type { GatewayConfig } from '../../src/options/index.js'
import { Program, times } from './program.js'
import type { EchoTargetsResponses } from './programs/echo-targets.js'
import type { ServiceResponses } from './programs/service.js'

/*
 * Issue 9: reloads while sessions and requests are under way.
 *
 *   SESSIONS=1000 RELOADS=200 SECONDS=120 npx tap --jobs=1 --timeout=600 test/soak/reload.test.ts
 */

const SESSIONS = Number(process.env.SESSIONS ?? 1000)
const RELOADS = Number(process.env.RELOADS ?? 200)
const SECONDS = Number(process.env.SECONDS ?? 120)
/** How often each session sends a message, and how often there is a request, in milliseconds. */
const MESSAGE_INTERVAL = 250
const REQUEST_INTERVAL = 5
/** By how much the heap may have grown, in bytes. */
const GROWTH = 10 * 2 ** 20

t.setTimeout(600_000)

const wait = (milliseconds: number): Promise<void> => new Promise(resolve => setTimeout(resolve, milliseconds))

/** A session that sends a numbered message every now and then, and expects each back, in order. */
class Paced {
  readonly socket: WebSocket
  readonly over: Promise<{ code: number, at: number }>
  fault: string | undefined
  received = 0
  /** The longest that a message has taken since it was last asked for. */
  worst = 0
  #sent = 0
  readonly #sentAt: number[] = []
  #timer: NodeJS.Timeout | undefined

  constructor (url: string) {
    this.socket = new WebSocket(url, { perMessageDeflate: false })
    this.socket.on('message', (data: Buffer) => {
      if (data.readUInt32BE() !== this.received++) this.fault ??= `message ${data.readUInt32BE()} instead of ${this.received - 1}`
      this.worst = Math.max(this.worst, performance.now() - this.#sentAt.shift()!)
    })
    this.socket.on('error', error => { this.fault ??= error.message })
    this.over = new Promise(resolve => {
      this.socket.on('close', code => {
        clearInterval(this.#timer)
        resolve({ code, at: performance.now() })
      })
    })
  }

  begin (): void {
    this.#timer = setInterval(() => this.#send(), MESSAGE_INTERVAL)
  }

  /** Sends no more, and waits for what is on its way. */
  async pause (): Promise<void> {
    clearInterval(this.#timer)
    while (this.received < this.#sent && this.socket.readyState === this.socket.OPEN) await Promise.race([once(this.socket, 'message'), this.over])
  }

  #send (): void {
    const message = Buffer.alloc(100)
    message.writeUInt32BE(this.#sent++)
    this.#sentAt.push(performance.now())
    this.socket.send(message)
  }
}

interface Running { targets: Program<EchoTargetsResponses>, service: Program<ServiceResponses>, config: GatewayConfig, url: string }

async function start (t: Test): Promise<Running> {
  const targets = new Program<EchoTargetsResponses>('echo-targets', t)
  const service = new Program<ServiceResponses>('service', t)
  const target = `http://127.0.0.1:${await targets.ask('port')}`
  const config: GatewayConfig = {
    listen: { port: 0 },
    drainSpread: 2_000,
    upstreams: { app: { targets: [target] } },
    routes: [{ url: '/session/*', upstream: 'app', websocket: true }, { url: '/request/*', upstream: 'app' }]
  }
  return { targets, service, config, url: `http://127.0.0.1:${await service.ask('start', config)}` }
}

/** Requests at a steady rate, until told to end. */
function requests (url: string): { end (): Promise<{ done: number, failed: string[] }> } {
  const agent = new Agent({ keepAlive: true, maxSockets: 50 })
  const failed: string[] = []
  const counts = { sent: 0, done: 0 }
  const ends = new EventEmitter()
  const count = (): void => {
    counts.done++
    ends.emit('end')
  }
  const timer = setInterval(() => {
    const path = `/request/${counts.sent++}`
    get(url + path, { agent }, response => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => { body += text }).on('end', () => {
        count()
        if (response.statusCode !== 200 || body !== path) failed.push(`${path}: ${response.statusCode} ${body}`)
      })
    }).on('error', error => {
      count()
      failed.push(`${path}: ${error.message}`)
    })
  }, REQUEST_INTERVAL)
  return {
    async end () {
      clearInterval(timer)
      while (counts.done < counts.sent) await once(ends, 'end')
      agent.destroy()
      return { done: counts.done, failed }
    }
  }
}

function withFurtherRoute (config: GatewayConfig, number: number): GatewayConfig {
  const name = `further-${number}`
  return {
    ...config,
    upstreams: { ...config.upstreams, [name]: { targets: [`http://127.0.0.1:${1 + number % 1000}`] } },
    routes: [...config.routes!, { url: `/${name}/*`, upstream: name, websocket: true }]
  }
}

t.test(`${SESSIONS} busy sessions, 200 requests a second, ${RELOADS} reloads in ${SECONDS} s; then their route is removed`, async t => {
  const { targets, service, config, url } = await start(t)
  const sessions: Paced[] = []
  await times(SESSIONS, 50, async index => {
    const session = new Paced(`${url}/session/${index}`)
    sessions.push(session)
    await once(session.socket, 'open')
  })
  t.teardown(() => { for (const { socket } of sessions) socket.terminate() })
  const worst = (): number => {
    const longest = Math.max(...sessions.map(session => session.worst))
    for (const session of sessions) session.worst = 0
    return Math.round(longest)
  }
  const pause = async (): Promise<void> => { await Promise.all(sessions.map(session => session.pause())) }

  // A first reload, so that what is loaded once is.
  await service.ask('reload', withFurtherRoute(config, 0))
  await service.ask('reload', config)
  const before = await service.ask('usage')
  for (const session of sessions) {
    session.begin()
    await wait(MESSAGE_INTERVAL / SESSIONS)
  }
  let load = requests(url)
  await wait(1_000)
  worst()
  await wait(10_000)
  const calm = worst()

  const began = performance.now()
  const took: number[] = []
  for (let number = 1; number <= RELOADS; number++) {
    // Every second one adds another route and upstream, and the next removes it.
    const reloaded = await service.ask('reload', number % 2 === 1 ? withFurtherRoute(config, number) : config)
    if ('error' in reloaded) t.fail(reloaded.error)
    else took.push(reloaded.took)
    await wait(Math.max(0, number * SECONDS * 1000 / RELOADS - (performance.now() - began)))
  }
  const reloading = worst()
  const whole = (performance.now() - began) / 1000

  // What is wrong changes nothing.
  const wrong: GatewayConfig[] = [
    { routes: 3 } as never,
    { ...config, routes: [{ url: '/session/*', upstream: 'nobody' }] },
    { ...config, upstreams: { app: { targets: ['ftp://a'] } } },
    { ...config, routes: [{ url: '/session/*', upstream: 'app', method: 'FETCH' }] },
    { ...config, listen: { port: Number(new URL(url).port) } },
    { ...config, listen: { port: 0, tls: { cert: '/nowhere', key: '/nowhere' } } },
    { ...config, trustProxy: 'nearby' }
  ]
  for (const one of wrong) t.ok('error' in await service.ask('reload', one), 'refused')

  await pause()
  const { done, failed } = await load.end()
  t.same(failed.slice(0, 10), [], 'no request failed')
  t.equal(await service.ask('sessions'), SESSIONS, 'no session is lost')
  t.same(sessions.filter(({ fault }) => fault !== undefined).map(({ fault }) => fault), [], 'no message is missing or out of order')
  // Idle connections to the target have run out by then.
  await wait(6_000)
  const after = await service.ask('usage')
  t.equal(after.descriptors, before.descriptors, 'the descriptors of the start')
  t.ok(after.heap < before.heap + GROWTH, `the heap grew by ${Math.round((after.heap - before.heap) / 1024)} KiB`)
  const messages = sessions.reduce((sum, { received }) => sum + received, 0)
  took.sort((one, other) => one - other)
  t.comment(`${RELOADS} reloads in ${whole.toFixed(0)} s, median ${took[RELOADS >> 1]!.toFixed(1)} ms, longest ${took.at(-1)!.toFixed(1)} ms; ${messages} messages, ${done} requests`)
  t.comment(`longest message: ${calm} ms in 10 s without a reload, ${reloading} ms in ${SECONDS} s with reloads; heap ${before.heap} → ${after.heap}, descriptors ${before.descriptors} → ${after.descriptors}`)

  load = requests(url)
  const removedAt = performance.now()
  const removed = await service.ask('reload', { ...config, routes: config.routes!.slice(1) })
  t.match(removed, { sessionsEnded: SESSIONS })
  const ends = await Promise.all(sessions.map(({ over }) => over))
  t.same(ends.filter(({ code }) => code !== 1012), [], 'each is sent 1012')
  const times_ = ends.map(({ at }) => at - removedAt).sort((one, other) => one - other)
  t.comment(`ended ${times_[0]!.toFixed(0)} to ${times_.at(-1)!.toFixed(0)} ms after the reload, the median at ${times_[SESSIONS >> 1]!.toFixed(0)} ms, with drainSpread 2000`)
  t.ok(times_[SESSIONS >> 1]! > 500 && times_.at(-1)! < 10_000, 'spread')
  t.same((await load.end()).failed, [])
  await service.ask('close')
  t.equal(await service.over(), 0)
  await targets.ask('close')
})

t.test('500 reloads, with one session opened in each: memory grows by sessions, not by generations', async t => {
  const { targets, service, config, url } = await start(t)
  const sockets: WebSocket[] = []
  t.teardown(() => { for (const socket of sockets) socket.terminate() })
  const open = async (): Promise<void> => {
    const socket = new WebSocket(`${url}/session/${sockets.length}`, { perMessageDeflate: false })
    sockets.push(socket)
    await once(socket, 'open')
  }
  const reload = async (number: number): Promise<void> => { await service.ask('reload', number % 2 === 1 ? withFurtherRoute(config, number) : config) }
  // What is loaded, compiled and cached once.
  for (let number = 0; number < 20; number++) {
    await reload(number)
    await open()
  }
  const start_ = await service.ask('usage')
  for (let number = 0; number < 500; number++) await open()
  const sessionsAlone = await service.ask('usage')
  for (let number = 0; number < 500; number++) {
    await reload(number)
    await open()
  }
  const both = await service.ask('usage')
  const perSession = (sessionsAlone.heap - start_.heap) / 500
  const perReload = (both.heap - sessionsAlone.heap) / 500 - perSession
  t.comment(`heap: ${(perSession / 1024).toFixed(1)} KiB a session; ${(perReload / 1024).toFixed(1)} KiB more with a reload before each`)
  t.ok(perReload < 4096, 'less than 4 KiB a reload')
  for (const socket of sockets) socket.terminate()
  await service.ask('close')
  t.equal(await service.over(), 0)
  await targets.ask('close')
})
