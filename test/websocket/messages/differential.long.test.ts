import { connect, type Socket } from 'node:net'
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises'
import { constants, deflateRawSync } from 'node:zlib'
import t from 'tap'
import type { MessageOptions, WebSocketSession } from '../../../src/index.js'
import { startGateway } from '../../helpers/gateway.js'
import { handshake } from '../../helpers/raw-client.js'
import { meetingPoint } from '../../helpers/meeting-point.js'
import { random, type Pick } from '../../helpers/random.js'
import { CASES_TIMEOUT, runCases, SEED } from '../../helpers/random-cases.js'
import { goodResponse } from '../../helpers/raw-target.js'
import { closing, frame } from '../../helpers/wire.js'

/**
 * Random streams of frames from both sides, cut at random places and read with random rests, through a route that relays
 * bytes and through routes whose hooks change nothing: each frame arrives byte for byte, in the order of the messages, where
 * control frames within a message may come before it. Sessions end at random points, in every way, by either side.
 *
 * SEED and COUNT choose the cases: test/helpers/random-cases.ts.
 */

/** Far from what any case takes, and below the gateway's closeTimeout. */
const STANDSTILL = 20_000

t.setTimeout(CASES_TIMEOUT)

type Role = 'client' | 'target'
type Ending = 'close' | 'fin' | 'reset' | 'application'
const KINDS = ['bytes', 'sync', 'async', 'mixed', 'narrow'] as const
const ENDINGS: readonly Ending[] = ['close', 'close', 'fin', 'fin', 'reset', 'application']

/** What a side sends: frames, of which the last may not be whole. */
interface Script { frames: Buffer[], bytes: Buffer, cuts: number[] }
interface Case { number: number, kind: typeof KINDS[number], compressed: boolean, ender: Role, ending: Ending, client: Script, target: Script, injections: number, early: boolean }

const INJECTED = 'injected '

function caseOf (number: number): Case {
  const pick = random(number)
  const one = <Item>(items: readonly Item[]): Item => items[pick(items.length)]!
  const kind = one(KINDS)
  const compressed = pick(3) === 0
  const ending = one(ENDINGS)
  const ender: Role = pick(2) === 0 ? 'client' : 'target'

  const script = (role: Role): Script => {
    const put = (first: number, payload: Buffer): Buffer => frame(first, payload, { mask: role === 'client', key: Buffer.from([pick(256), pick(256), pick(256), pick(256)]) })
    const size = (): number => one([0, 1, 2, 125, 126, 127, 1000, 65_521, 65_535, 65_536, 65_537, pick(300), pick(300), pick(300), pick(150_000)])
    const controls = (): Buffer[] => Array.from({ length: pick(4) === 0 ? 1 + pick(3) : 0 }, () => put(one([0x89, 0x8a]), Buffer.alloc(one([0, 1, 100, 125]), pick(256))))
    const frames: Buffer[] = []
    for (let count = one([0, 3, 10, 10, 40]); count > 0; count--) {
      frames.push(...controls())
      const isText = pick(2) === 0
      const content = isText ? Buffer.from('ä€😀x'.repeat(Math.ceil(size() / 10))) : Buffer.alloc(size(), Buffer.from([pick(256), pick(256), pick(256)]))
      const isDeflated = compressed && pick(2) === 0
      const payload = isDeflated ? deflateRawSync(content, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4) : content
      const parts = one([1, 1, 1, 2, 5])
      const places = [0, ...Array.from({ length: parts - 1 }, () => pick(payload.length + 1)).sort((a, b) => a - b), payload.length]
      for (let part = 0; part < parts; part++) {
        const first = (part === parts - 1 ? 0x80 : 0) | (part > 0 ? 0 : (isText ? 1 : 2) | (isDeflated ? 0x40 : 0))
        if (part > 0) frames.push(...controls())
        frames.push(put(first, payload.subarray(places[part], places[part + 1])))
      }
    }
    if (role === ender && ending !== 'close' && ending !== 'application') {
      // It breaks off in the middle.
      const isOpen = pick(2) === 0
      if (isOpen) frames.push(put(0x01, Buffer.from('open')), ...controls())
      if (pick(2) === 0) frames.push(put(isOpen ? 0x80 : 0x82, Buffer.alloc(1000)).subarray(0, 1 + pick(500)))
    }
    const bytes = Buffer.concat(frames)
    const cuts = [...new Set(Array.from({ length: one([0, 2, 10, 40]) }, () => pick(pick(3) === 0 ? Math.min(bytes.length, 100) + 1 : bytes.length + 1)))].sort((a, b) => a - b)
    return { frames, bytes, cuts: [0, ...cuts, bytes.length] }
  }
  return { number, kind, compressed, ender, ending, client: script('client'), target: script('target'), injections: pick(3) === 0 ? 1 + pick(5) : 0, early: pick(5) === 0 }
}

/** Takes bytes apart, written for this test alone; what is not whole is the last. */
function framesOf (bytes: Buffer): { whole: Buffer[], rest: Buffer } {
  const whole: Buffer[] = []
  let at = 0
  for (;;) {
    if (at + 2 > bytes.length) break
    const second = bytes[at + 1]!
    const short = second & 127
    const header = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + (second >= 128 ? 4 : 0)
    if (at + header > bytes.length) break
    const size = short === 126 ? bytes.readUInt16BE(at + 2) : short === 127 ? Number(bytes.readBigUInt64BE(at + 2)) : short
    if (at + header + size > bytes.length) break
    whole.push(bytes.subarray(at, at + header + size))
    at += header + size
  }
  return { whole, rest: bytes.subarray(at) }
}

const opcodeOf = (bytes: Buffer): number => bytes[0]! & 15

function textOf (bytes: Buffer): string {
  const masked = bytes[1]! >= 128
  const at = ((bytes[1]! & 127) === 126 ? 4 : 2) + (masked ? 4 : 0)
  const payload = Buffer.from(bytes.subarray(at))
  if (masked) for (let index = 0; index < payload.length; index++) payload[index]! ^= bytes[at - 4 + index % 4]!
  return payload.toString('latin1')
}

/** What a route with hooks makes of frames: whole messages, control frames before the message that they stand in. */
function gathered (frames: readonly Buffer[]): Buffer[] {
  const result: Buffer[] = []
  let open: Buffer[] = []
  for (const bytes of frames) {
    if (opcodeOf(bytes) >= 8) {
      result.push(bytes)
      continue
    }
    open.push(bytes)
    if (bytes[0]! < 128) continue
    result.push(...open)
    open = []
  }
  return result
}

class Peer {
  readonly closed: Promise<unknown>
  /** What had been written when the connection ended. */
  written = 0
  sawClose = false
  closedItself = false
  #received: Buffer[] = []
  #scanned = 0
  #over = false
  #played = false
  readonly #socket: Socket
  readonly #script: Script
  readonly #role: Role
  readonly #ending: Ending | undefined

  constructor (socket: Socket, script: Script, role: Role, ending: Ending | undefined) {
    this.#socket = socket
    this.#script = script
    this.#role = role
    this.#ending = ending
    this.closed = new Promise(resolve => socket.on('close', resolve))
    socket.on('error', () => {})
    socket.on('data', chunk => {
      this.#received.push(chunk)
      if (!this.sawClose) {
        const all = this.received
        const { whole, rest } = framesOf(all.subarray(this.#scanned))
        this.#scanned = all.length - rest.length
        this.sawClose = whole.some(bytes => opcodeOf(bytes) === 8)
      }
      this.#react()
    })
    socket.on('end', () => { this.#over = true; this.#react() })
  }

  get received (): Buffer {
    if (this.#received.length !== 1) this.#received = [Buffer.concat(this.#received)]
    return this.#received[0]!
  }

  async play (pick: Pick, from = 0): Promise<void> {
    const { bytes, cuts } = this.#script
    this.written = from
    for (const cut of cuts) {
      if (cut <= this.written) continue
      if (pick(10) === 0) {
        this.#socket.pause()
        setTimeout(() => this.#socket.resume(), 1 + pick(15))
      }
      if (!this.#socket.writable) return
      this.#socket.write(bytes.subarray(this.written, cut))
      this.written = cut
      const wait = pick(4)
      if (wait === 1) await turn()
      else if (wait === 2) await pause(pick(4))
    }
    this.#played = true
    if (this.#ending === 'close') this.#sendClose(4000)
    else if (this.#ending === 'fin') this.#socket.end()
    else if (this.#ending === 'reset') this.#socket.resetAndDestroy()
    this.#react()
  }

  destroy (): void {
    this.#socket.destroy()
  }

  #sendClose (code: number): void {
    if (this.closedItself || !this.#socket.writable) return
    this.closedItself = true
    this.#socket.write(frame(0x88, closing(code), { mask: this.#role === 'client' }))
  }

  #react (): void {
    if (!this.#played) return
    if (this.sawClose) this.#sendClose(4000)
    if (this.#over || (this.sawClose && this.#role === 'target')) this.#socket.end()
  }
}

/** What is wrong with what has arrived of a script. */
function fault ({ frames, bytes }: Script, received: Buffer, isHooked: boolean, { ends, ending }: { ends: boolean, ending: Ending }): string | undefined {
  const arrived = framesOf(received)
  const isInjected = (bytes: Buffer): boolean => bytes[0] === 0x81 && textOf(bytes.subarray(0, 30)).startsWith(INJECTED)
  const ownClose = arrived.whole.findIndex(bytes => opcodeOf(bytes) === 8)
  const whole = (ownClose === -1 ? arrived.whole : arrived.whole.slice(0, ownClose)).filter(bytes => !isInjected(bytes))
  if (ownClose !== -1 && (ownClose !== arrived.whole.length - 1 || arrived.rest.length > 0)) return 'something behind a Close'
  const sent = framesOf(bytes).whole
  const expected = isHooked ? gathered(sent) : sent
  for (const [index, bytes] of whole.entries()) {
    if (expected[index] === undefined) return `${whole.length} frames arrived of ${expected.length}`
    if (!bytes.equals(expected[index])) return `frame ${index} of ${expected.length} is another: ${bytes.subarray(0, 12).toString('hex')} for ${expected[index].subarray(0, 12).toString('hex')}`
  }
  if (arrived.rest.length > 0) {
    const next = isHooked ? expected[whole.length] : (expected[whole.length] ?? frames.at(-1))
    if (next === undefined || !next.subarray(0, arrived.rest.length).equals(arrived.rest)) return `${arrived.rest.length} bytes of a frame that nobody has sent: ${arrived.rest.subarray(0, 12).toString('hex')}`
  }
  if (!ends || ending === 'reset' || ending === 'application') return undefined
  if (whole.length < expected.length) return `only ${whole.length} frames arrived of ${expected.length}, before ${ending}`
  if (ending === 'close' && ownClose === -1) return 'no Close arrived'
  if (ending === 'fin' && ownClose !== -1) return `a Close arrived, of ${textOf(arrived.whole[ownClose]!)}`
  return undefined
}

t.test(`hooks that change nothing change nothing (SEED=${SEED})`, async t => {
  const targets = await meetingPoint(t, /^GET \/\w+\/(\d+) [^]*\r\n\r\n$/)
  const sessions = new Map<string, WebSocketSession>()
  const later = random(SEED)
  const wait = async (): Promise<undefined> => {
    const milliseconds = later(6)
    if (milliseconds > 2) await pause(milliseconds - 2)
    else if (milliseconds > 0) await turn()
  }
  const hooks: Record<Case['kind'], MessageOptions | undefined> = {
    bytes: undefined,
    sync: { fromClient () {}, fromTarget () {} },
    async: { fromClient: wait, fromTarget: wait },
    mixed: { fromClient: [() => {}, () => later(2) === 0 ? undefined : wait()], fromTarget: () => later(4) === 0 ? wait() : undefined },
    narrow: { fromClient: wait, fromTarget: wait, maxPending: 1, maxSize: 400_000 }
  }
  const gateway = await startGateway(t, {
    targets: [`http://127.0.0.1:${targets.port}`],
    fastify: { logger: false },
    setup: app => {
      for (const [kind, messages] of Object.entries(hooks)) {
        app.proxy(`/${kind}/*`, {
          upstream: 'main',
          websocket: { closeTimeout: 60_000, compression: 'passthrough', onSession: session => { sessions.set(session.request.url, session) }, ...messages !== undefined && { messages } }
        })
      }
    }
  })

  const run = async (whole: Case, name: string): Promise<void> => {
    const pick = random(~whole.number)
    const path = `/${whole.kind}/${name}`
    const met = targets.meet(name)
    const clientSocket = connect({ port: gateway.port, host: '127.0.0.1', allowHalfOpen: true })
    clientSocket.on('error', () => {})
    const early = whole.early ? whole.client.cuts[1]! : 0
    clientSocket.write(Buffer.concat([Buffer.from(handshake({ path, headers: whole.compressed ? { 'Sec-WebSocket-Extensions': 'permessage-deflate' } : {} })), whole.client.bytes.subarray(0, early)]))
    const { socket: targetSocket, head } = await met
    const key = /sec-websocket-key: (.*)\r\n/i.exec(head)![1]!
    targetSocket.write(goodResponse({ start: '', headers: [['sec-websocket-key', key]] }, whole.compressed ? ['Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover'] : []))
    let response = ''
    await new Promise<void>((resolve, reject) => {
      const read = (): void => {
        for (let byte = clientSocket.read(1) as Buffer | null; byte !== null; byte = clientSocket.read(1) as Buffer | null) {
          response += byte.toString('latin1')
          if (!response.endsWith('\r\n\r\n')) continue
          clientSocket.off('readable', read)
          return resolve()
        }
      }
      clientSocket.on('readable', read).on('close', () => reject(new Error('closed before a 101')))
    })
    const endingOf = (role: Role): Ending | undefined => whole.ender === role ? whole.ending : undefined
    const client = new Peer(clientSocket, whole.client, 'client', endingOf('client'))
    const target = new Peer(targetSocket, whole.target, 'target', endingOf('target'))
    while (!sessions.has(path)) await turn()
    const session = sessions.get(path)!
    sessions.delete(path)
    const inject = async (): Promise<void> => {
      for (let index = 0; index < whole.injections; index++) {
        await pause(pick(8))
        session.send(pick(2) === 0 ? 'client' : 'target', INJECTED + 'x'.repeat(pick(20)))
      }
      if (whole.ending === 'application') session.close(4001)
    }
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<string>(resolve => { timer = setTimeout(() => resolve('stands still'), STANDSTILL) })
    const all = Promise.all([client.play(random(whole.number + 1), early), target.play(random(whole.number + 2)), inject(), client.closed, target.closed]).then(() => undefined)
    const stood = await Promise.race([all, late])
    clearTimeout(timer)
    client.destroy()
    target.destroy()
    const isHooked = whole.kind !== 'bytes'
    const up = fault(whole.client, target.received, isHooked, { ends: whole.ender === 'client', ending: whole.ending })
    const down = fault(whole.target, client.received, isHooked, { ends: whole.ender === 'target', ending: whole.ending })
    const found = [stood, up === undefined ? undefined : `to the target: ${up}`, down === undefined ? undefined : `to the client: ${down}`].filter(text => text !== undefined)
    if (found.length > 0) throw new Error(`${whole.kind}${whole.compressed ? ', compressed' : ''}, ${whole.ending} by ${whole.ender}: ${found.join('; ')}`)
  }

  const tally: Record<string, number> = {}
  const count = await runCases(t, async (number, index) => {
    const whole = caseOf(number)
    const name = `${whole.kind} ${whole.ending}`
    tally[name] = (tally[name] ?? 0) + 1
    await run(whole, String(index))
  })
  t.comment(`${count} cases: ${JSON.stringify(tally)}`)
  await gateway.app.gateway.drain({ timeout: 600_000 })
  t.equal(gateway.app.gateway.sessions.size, 0)
})
