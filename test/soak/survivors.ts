import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import type { BalancingGatewayResponses } from './programs/balancing-gateway.js'
import type { RecordingTargetResponses } from './programs/recording-target.js'
import { Program, times } from './program.js'

/* Busy sessions whose only target is killed and started again. */

/** Milliseconds between two messages of a session. */
const INTERVAL = 500
/** One message in so many is long; it takes four reads and more. */
const LONG_EVERY = 50
const LONG = 200 * 1024
/** It can be compressed, to a half. */
const CONTENT = Buffer.from(randomBytes(LONG / 2).toString('hex'))

export interface Survival {
  sessions: number
  kills: number
}

/** What became of the messages of all sessions. */
export interface Losses {
  sent: number
  /** Sent, and not processed by the target. */
  unprocessed: number
  /** Processed, and the reply has not come. */
  unanswered: number
}

/** One client that sends numbered messages, and the numbers of the replies. */
class Survivor {
  readonly socket: WebSocket
  readonly replies: number[] = []
  sent = 0
  closed: number | undefined
  fault: string | undefined
  readonly #index: number
  readonly #timer: NodeJS.Timeout
  #onReply: (() => void) | undefined

  constructor (socket: WebSocket, index: number) {
    this.socket = socket
    this.#index = index
    socket.on('error', error => { this.fault ??= error.message }).on('close', code => {
      this.closed = code
      this.#onReply?.()
    })
    socket.on('message', (data: Buffer) => {
      const number = data.readUInt32LE(4)
      if (!data.equals(this.#message(number))) this.fault ??= `the reply to message ${number} is not what was sent`
      this.replies.push(number)
      this.#onReply?.()
    })
    this.#timer = setInterval(() => this.#send(), INTERVAL)
  }

  /** Resolves with the reply to a message that is sent from now on. The first of these may be lost. */
  async reply (): Promise<void> {
    const next = this.sent
    while (this.closed === undefined && (this.replies.at(-1) ?? -1) < next) await new Promise<void>(resolve => { this.#onReply = resolve })
  }

  /** Sends a last message and waits for its reply. */
  async finish (): Promise<void> {
    clearInterval(this.#timer)
    const reply = this.reply()
    this.#send()
    await reply
  }

  stop (): void {
    clearInterval(this.#timer)
    this.socket.terminate()
  }

  #send (): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(this.#message(this.sent++))
  }

  #message (number: number): Buffer {
    const isLong = (number + this.#index) % LONG_EVERY === LONG_EVERY - 1
    const message = Buffer.from(CONTENT.subarray(0, isLong ? LONG : 8 + (number * 7919) % 3000))
    message.writeUInt32LE(this.#index, 0)
    message.writeUInt32LE(number, 4)
    return message
  }
}

/** Has the target of busy sessions killed and started again, and checks that no client notices but by what is missing. */
export async function survive (t: Test, { sessions: count, kills }: Survival): Promise<Losses> {
  const folder = mkdtempSync(join(tmpdir(), 'survivors-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const record = join(folder, 'record')
  // Those that take its place are started before, and only begin to listen when it has been killed.
  const [first, ...others] = Array.from({ length: kills + 1 }, () => new Program<RecordingTargetResponses>('recording-target', t))
  const port = await first!.ask('listen', { port: 0, record })
  let target = first!
  const gateway = new Program<BalancingGatewayResponses>('balancing-gateway', t)
  const address = await gateway.ask('start', {
    upstreams: { main: { targets: [`http://127.0.0.1:${port}`] } },
    routes: [{ url: '/*', upstream: 'main', websocket: { reconnect: { delay: 100, maxDelay: 1_000, attempts: 100 } } }]
  })
  const survivors: Survivor[] = []
  t.teardown(() => { for (const survivor of survivors) survivor.stop() })
  await times(count, 50, async index => {
    const socket = new WebSocket(address.replace('http', 'ws'), { perMessageDeflate: index % 4 === 0 })
    await once(socket, 'open')
    survivors[index] = new Survivor(socket, index)
  })
  for (const next of others) {
    // All are busy: each has got a reply from this target.
    await Promise.all(survivors.map(survivor => survivor.reply()))
    await pause(INTERVAL * Math.random())
    const exited = once(target.process, 'exit')
    target.process.kill('SIGKILL')
    await exited
    target = next
    await target.ask('listen', { port, record })
  }
  await Promise.all(survivors.map(survivor => survivor.reply()))
  await Promise.all(survivors.map(survivor => survivor.finish()))

  t.same(survivors.filter(({ closed }) => closed !== undefined).map(({ closed }) => closed), [], 'no connection of a client has ended')
  t.same(survivors.flatMap(({ fault }) => fault ?? []), [], 'each reply is what was sent')
  t.same(survivors.flatMap(({ replies }) => disorderOf(replies)), [], 'no reply came twice or out of order')
  const processed = readRecord(record, count)
  t.same(processed.flatMap(disorderOf), [], 'no message was processed twice or out of order')
  // Which are not: those that had been written to a connection when it was lost. None that was kept.
  t.ok(processed.every(numbers => gapsIn(numbers) <= kills), 'at most one run of messages is missing for each kill')
  const status = (await gateway.ask('sessions')).map(({ reconnects }) => reconnects)
  t.equal(status.length, count)
  t.ok(status.every(reconnects => reconnects >= kills - 1 && reconnects <= kills), `the sessions were reconnected ${Math.min(...status)} to ${Math.max(...status)} times`)
  const sum = (of: (survivor: Survivor, index: number) => number): number => survivors.map(of).reduce((total, part) => total + part, 0)
  const losses = {
    sent: sum(({ sent }) => sent),
    unprocessed: sum(({ sent }, index) => sent - processed[index]!.length),
    unanswered: sum(({ replies }, index) => processed[index]!.length - replies.length)
  }
  for (const survivor of survivors) survivor.stop()
  await gateway.ask('idle')
  t.match(await gateway.ask('load'), { requests: 0, handshakes: 0, sessions: 0, retries: 0, waiting: 0 }, 'all counters are 0')
  return losses
}

/** The numbers of the messages that were processed, by session. */
function readRecord (record: string, count: number): number[][] {
  const bytes = readFileSync(record)
  const numbers: number[][] = Array.from({ length: count }, () => [])
  for (let at = 0; at < bytes.length; at += 8) numbers[bytes.readUInt32LE(at)]!.push(bytes.readUInt32LE(at + 4))
  return numbers
}

/** The numbers that are not larger than the one before. */
function disorderOf (numbers: number[]): string[] {
  return numbers.flatMap((number, index) => index > 0 && number <= numbers[index - 1]! ? `${number} after ${numbers[index - 1]}` : [])
}

function gapsIn (numbers: number[]): number {
  return numbers.filter((number, index) => number !== (index === 0 ? 0 : numbers[index - 1]! + 1)).length
}

/** For the output of a test. */
export function tell ({ sent, unprocessed, unanswered }: Losses, { sessions, kills }: Survival): string {
  return `${kills} kills under ${sessions} sessions: of ${sent} messages, ${unprocessed} were written to a connection that was lost, or were on their way to it, and were not processed; of ${sent - unprocessed} replies, the target had not sent ${unanswered}, or not whole, or they were on their way from it`
}
