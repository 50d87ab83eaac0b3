import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startGateway } from '../helpers/gateway.js'
import { meetingPoint } from '../helpers/meeting-point.js'
import { CASES_TIMEOUT, runCases, SEED } from '../helpers/random-cases.js'
import { ACCEPT, handshake } from '../helpers/raw-client.js'
import { closing, frame } from '../helpers/wire.js'

/**
 * Random streams of valid and invalid frames from both sides, cut at random places and read with random
 * stalls: once over a connection without a gateway, once through it. What arrives is the same, but for the
 * endings that docs/websockets.md names.
 *
 * SEED and COUNT choose the cases: test/helpers/random-cases.ts.
 */

type Role = 'client' | 'target'
type Ending = 'close' | 'quiet' | 'fin' | 'violation'

interface Step { chunk: Buffer, wait: number | 'turn' | undefined, stall: number | undefined }
interface Script { role: Role, ending: Ending, bytes: Buffer, steps: Step[] }
interface Case { seed: number, compressed: boolean, client: Script, target: Script }

// ---- What the frames of a stream mean, written for this test alone

interface Understood {
  end: 'close' | 'violation' | 'in frame' | 'boundary'
  /** How many bytes of it are to be relayed. */
  length: number
  /** Offsets behind which no frame is open. */
  boundaries: Set<number>
  code?: number
  reason?: string
}

function understand (bytes: Buffer, role: Role, compressed: boolean): Understood {
  const boundaries = new Set([0])
  let at = 0
  let open = false
  for (;;) {
    const [first, second] = [bytes[at], bytes[at + 1]]
    if (first === undefined || second === undefined) return { end: 'boundary', length: at, boundaries }
    const short = second & 127
    const extra = short === 127 ? 8 : short === 126 ? 2 : 0
    const payloadAt = at + 2 + extra + (second >= 128 ? 4 : 0)
    if (payloadAt > bytes.length) return { end: 'boundary', length: at, boundaries }
    const size = extra === 0 ? short : Number(extra === 2 ? bytes.readUInt16BE(at + 2) : bytes.readBigUInt64BE(at + 2))
    const opcode = first & 15
    const wrong = size >= 2 ** 53 || (second >= 128) !== (role === 'client') ||
      (first & (compressed ? 0x30 : 0x70)) !== 0 || ![0, 1, 2, 8, 9, 10].includes(opcode) ||
      (opcode > 7 ? first < 128 || short > 125 || (opcode === 8 && size === 1) : (opcode === 0) !== open)
    if (wrong) return { end: 'violation', length: at, boundaries }
    if (payloadAt + size > bytes.length) return { end: 'in frame', length: bytes.length, boundaries }
    if (opcode === 8) {
      const payload = Buffer.from(bytes.subarray(payloadAt, payloadAt + size))
      if (second >= 128) for (let index = 0; index < size; index++) payload[index]! ^= bytes[payloadAt - 4 + index % 4]!
      const said = size === 0 ? {} : { code: payload.readUInt16BE(), reason: payload.toString('utf8', 2) }
      return { end: 'close', length: payloadAt + size, boundaries, ...said }
    }
    if (opcode < 8) open = first < 128
    at = payloadAt + size
    boundaries.add(at)
  }
}

// ---- Random cases

function randomOf (seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

function caseOf (seed: number): Case {
  const random = randomOf(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  const pick = <Item>(items: readonly Item[]): Item => items[below(items.length)]!
  const noise = (size: number): Buffer => Buffer.alloc(size, Buffer.from(Array.from({ length: 16 }, () => below(256))))
  const compressed = random() < 0.3

  const streamOf = (role: Role, ending: Ending): Buffer => {
    const mask = role === 'client'
    const put = (first: number, payload: Buffer) => frame(first, payload, { mask, key: noise(4) })
    const size = () => pick([0, 1, 2, 125, 126, 127, 1000, 1000, 65535, 65536, below(300), below(300), below(200_000)])
    const frames: Buffer[] = []
    for (let count = below(8); count > 0; count--) {
      if (random() < 0.2) frames.push(put(pick([0x89, 0x8a]), noise(below(126))))
      const rsv = compressed && random() < 0.5 ? 0x40 : 0
      const parts = pick([1, 1, 1, 2, 4])
      for (let part = 0; part < parts; part++) {
        const last = part === parts - 1 ? 0x80 : 0
        frames.push(put(last | (part === 0 ? rsv | pick([1, 2]) : 0), noise(size())))
        if (last === 0 && random() < 0.3) frames.push(put(0x89, noise(below(126))))
      }
    }
    if (ending === 'violation') {
      const open = random() < 0.3
      if (open) frames.push(put(0x01, noise(below(50))))
      frames.push(pick([
        () => frame(0x82, noise(below(50)), { mask: !mask }),
        () => put(0x80 | pick([3, 4, 7, 11, 15]), noise(below(50))),
        () => put(0x82 | pick(compressed ? [0x10, 0x20] : [0x10, 0x20, 0x40]), noise(below(50))),
        () => put(pick([0x08, 0x09, 0x0a]), noise(below(50))),
        () => put(pick([0x88, 0x89, 0x8a]), noise(126 + below(500))),
        () => put(0x88, noise(1)),
        () => put(open ? 0x82 : 0x80, noise(below(50))),
        () => Buffer.concat([Buffer.from([0x82, (mask ? 0x80 : 0) | 127, 0x80 | below(128)]), noise(20)])
      ])(), noise(below(300)))
    }
    if (ending === 'close') {
      frames.push(put(0x88, pick([Buffer.alloc(0), closing(1000), closing(pick([1001, 3000, 4999]), 'r'.repeat(below(124)))])))
      if (random() < 0.2) frames.push(noise(below(1000)))
    }
    const stream = Buffer.concat(frames)
    return ending === 'fin' && random() < 0.7 ? stream.subarray(0, below(stream.length + 1)) : stream
  }

  const scriptOf = (role: Role, ending: Ending): Script => {
    const bytes = streamOf(role, ending)
    const cuts = new Set(Array.from({ length: pick([0, 1, 3, 10, 30]) }, () => below(random() < 0.3 ? Math.min(bytes.length, 40) : bytes.length)))
    const places = [0, ...[...cuts].filter(place => place > 0).sort((a, b) => a - b), bytes.length]
    const steps = places.slice(1).map((place, index) => ({
      chunk: bytes.subarray(places[index], place),
      wait: pick([undefined, undefined, undefined, 'turn', 'turn', 1 + below(4)] as const),
      stall: random() < 0.1 ? 1 + below(15) : undefined
    }))
    return { role, ending, bytes, steps }
  }

  const endings: Ending[] = ['close', 'close', 'close', 'quiet', 'fin', 'violation']
  const ending = pick(endings)
  const other = pick(ending === 'quiet' ? endings.filter(candidate => candidate !== 'quiet') : endings)
  return { seed, compressed, client: scriptOf('client', ending), target: scriptOf('target', other) }
}

// ---- Peers

class Peer {
  readonly closed: Promise<unknown>
  readonly #socket: Socket
  readonly #script: Script
  readonly #case: Case
  /** Whether it answers a Close, and ends when the other does. */
  readonly #polite: boolean
  readonly #sent: Buffer[] = []
  #received: Buffer[] = []
  #finished = false
  #sawClose = false
  #sawEnd = false

  constructor (socket: Socket, script: Script, whole: Case, polite: boolean) {
    this.#socket = socket
    this.#script = script
    this.#case = whole
    this.#polite = polite
    this.closed = new Promise(resolve => socket.on('close', resolve))
    socket.on('error', () => {})
    socket.on('data', chunk => {
      this.#received.push(chunk)
      if (!polite || this.#sawClose) return
      this.#sawClose = understand(this.received, this.#other, whole.compressed).end === 'close'
      this.#react()
    })
    socket.on('end', () => {
      this.#sawEnd = true
      this.#react()
    })
  }

  get #other (): Role {
    return this.#script.role === 'client' ? 'target' : 'client'
  }

  get received (): Buffer {
    if (this.#received.length !== 1) this.#received = [Buffer.concat(this.#received)]
    return this.#received[0]!
  }

  get sent (): Buffer {
    return Buffer.concat(this.#sent)
  }

  async play (steps = this.#script.steps): Promise<void> {
    for (const { chunk, wait, stall } of steps) {
      if (stall !== undefined) {
        this.#socket.pause()
        setTimeout(() => this.#socket.resume(), stall)
      }
      this.#write(chunk)
      if (wait === 'turn') await new Promise(resolve => setImmediate(resolve))
      else if (wait !== undefined) await sleep(wait)
    }
    this.#finished = true
    if (this.#script.ending === 'fin') this.#socket.end()
    this.#react()
  }

  /** Resolves when so many bytes have arrived. */
  async has (length: number): Promise<void> {
    while (this.received.length < length) await Promise.race([once(this.#socket, 'data'), this.closed.then(() => { throw new Error('closed early') })])
  }

  noteSent (chunk: Buffer): void {
    this.#sent.push(chunk)
  }

  destroy (): void {
    this.#socket.destroy()
  }

  #write (chunk: Buffer): void {
    if (!this.#socket.writable) return
    this.#socket.write(chunk)
    this.#sent.push(chunk)
  }

  #react (): void {
    if (!this.#polite || !this.#finished) return
    if (this.#sawClose && this.#script.ending === 'quiet' && understand(this.sent, this.#script.role, this.#case.compressed).end !== 'close') {
      const { code } = understand(this.received, this.#other, this.#case.compressed)
      this.#write(frame(0x88, code === undefined ? '' : closing(code), { mask: this.#script.role === 'client' }))
    }
    if (this.#sawEnd || (this.#sawClose && this.#script.role === 'target')) this.#socket.end()
  }
}

// ---- What may arrive

interface Way { from: Role, sent: Buffer, received: Buffer, understood: Understood }

/** What is wrong with what has come through the gateway on one way, when that and the other were sent. */
function fault (way: Way, back: Way, compressed: boolean): string | undefined {
  const { sent, received, understood, from } = way
  /** Where what was sent is followed by a Close of the gateway. */
  const told = (code: number, withReason: boolean): number | undefined => {
    const arrived = understand(received, from, compressed)
    if (arrived.end !== 'close' || arrived.length !== received.length || arrived.code !== code || (arrived.reason !== '') !== withReason) return undefined
    const at = Math.max(...[...arrived.boundaries])
    return received.subarray(0, at).equals(sent.subarray(0, at)) ? at : undefined
  }
  const whole = sent.subarray(0, understood.length)
  if (understood.end === 'violation') {
    if (told(1002, false) === understood.length) return undefined
  } else if (received.equals(whole)) {
    return undefined
  }

  // Otherwise the other side has ended the session before.
  const prefix = received.length <= whole.length && received.equals(whole.subarray(0, received.length))
  if (back.understood.end === 'violation') {
    if (told(1002, true) !== undefined || told(1002, false) !== undefined || (prefix && !understood.boundaries.has(received.length))) return undefined
  }
  // A loss ends the other side without a Close.
  if (back.understood.end === 'in frame' || back.understood.end === 'boundary') {
    if (prefix) return undefined
  }
  let same = 0
  while (same < received.length && received[same] === sent[same]) same++
  return `${from}: of ${sent.length} bytes, to be relayed ${understood.length} (${understood.end}), arrived ${received.length}, the first ${same} as sent; then ${received.subarray(same, same + 12).toString('hex')}; the other way ended by ${back.understood.end}`
}

// ---- The test

/** Far from what any case takes, and below the gateway's closeTimeout: a case that needs that stands still. */
const STANDSTILL = 15_000

t.setTimeout(CASES_TIMEOUT)

t.test(`what arrives through the gateway is what arrives without it (SEED=${SEED})`, async t => {
  const direct = await meetingPoint(t, /^(\d+)\n$/)
  const upgraded = await meetingPoint(t, /^GET \/(\d+) [^]*\r\n\r\n$/)
  const gateway = await startGateway(t, { targets: [`http://127.0.0.1:${upgraded.port}`], route: { websocket: { closeTimeout: 60_000, compression: 'passthrough' } }, fastify: { logger: false } })

  const runDirectly = async (whole: Case, name: string): Promise<void> => {
    const met = direct.meet(name)
    const socket = connect({ port: direct.port, host: '127.0.0.1', allowHalfOpen: true })
    socket.write(`${name}\n`)
    const client = new Peer(socket, whole.client, whole, false)
    const target = new Peer((await met).socket, whole.target, whole, false)
    await Promise.all([client.play(), target.play(), client.has(whole.target.bytes.length), target.has(whole.client.bytes.length)])
    client.destroy()
    target.destroy()
    if (!client.received.equals(whole.target.bytes) || !target.received.equals(whole.client.bytes)) throw new Error('the direct connection has changed something')
  }

  const runThrough = async (whole: Case, name: string): Promise<void> => {
    const extension: Record<string, string> = whole.compressed ? { 'Sec-WebSocket-Extensions': 'permessage-deflate' } : {}
    const met = upgraded.meet(name)
    const clientSocket = connect({ port: gateway.port, host: '127.0.0.1', allowHalfOpen: true })
    const [first, ...others] = whole.client.steps
    // Some clients do not wait for the 101.
    const early = whole.seed % 5 === 0 && first !== undefined
    clientSocket.write(Buffer.concat([Buffer.from(handshake({ path: `/${name}`, headers: extension })), early ? first.chunk : Buffer.alloc(0)]))
    const { socket: targetSocket } = await met
    targetSocket.write(['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Accept: ${ACCEPT}`, ...Object.entries(extension).map(header => header.join(': ')), '', ''].join('\r\n'))
    const target = new Peer(targetSocket, whole.target, whole, true)
    const targetPlayed = target.play()
    let head = ''
    await new Promise<void>((resolve, reject) => {
      const read = (): void => {
        for (let byte = clientSocket.read(1) as Buffer | null; byte !== null; byte = clientSocket.read(1) as Buffer | null) {
          head += byte.toString('latin1')
          if (!head.endsWith('\r\n\r\n')) continue
          clientSocket.off('readable', read)
          return resolve()
        }
      }
      clientSocket.on('readable', read).on('error', reject).on('close', () => reject(new Error('closed before a 101')))
    })
    if (!head.startsWith('HTTP/1.1 101 ')) throw new Error(head)
    const client = new Peer(clientSocket, whole.client, whole, true)
    if (early) client.noteSent(first.chunk)
    await Promise.all([client.play(early ? others : whole.client.steps), targetPlayed])
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`stands still: client ${whole.client.ending}, target ${whole.target.ending}`)), STANDSTILL)
    })
    try {
      await Promise.race([Promise.all([client.closed, target.closed]), late])
    } finally {
      clearTimeout(timer)
      client.destroy()
      target.destroy()
    }
    const way = (from: Role, { sent }: Peer, { received }: Peer): Way => ({ from, sent, received, understood: understand(sent, from, whole.compressed) })
    const up = way('client', client, target)
    const down = way('target', target, client)
    const found = fault(up, down, whole.compressed) ?? fault(down, up, whole.compressed)
    if (found !== undefined) throw new Error(found)
  }

  const tally: Record<string, number> = {}
  const count = await runCases(t, async (number, index) => {
    const whole = caseOf(number)
    for (const { ending } of [whole.client, whole.target]) tally[ending] = (tally[ending] ?? 0) + 1
    await runDirectly(whole, String(index))
    await runThrough(whole, String(index))
  })
  t.comment(`${count} cases; endings of their ${2 * count} streams: ${JSON.stringify(tally)}`)
  // Were one left open, it would be for longer than this test may take.
  await gateway.app.gateway.drain({ timeout: 600_000 })
  t.equal(gateway.app.gateway.sessions.size, 0)
})
