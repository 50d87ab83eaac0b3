import { createServer, type AddressInfo, type Socket } from 'node:net'
import t from 'tap'
import { handshake } from '../helpers/raw-client.js'
import { goodResponse, refusingPort } from '../helpers/raw-target.js'
import { Wire, closing, frame, masked, type Head } from '../helpers/wire.js'
import type { GatewayResponses } from './programs/gateway.js'
import { Program, times } from './program.js'
import { settled } from './usage.js'

/** SESSIONS=<n> for another number. */
const SESSIONS = Number(process.env.SESSIONS ?? 20_000)
const AT_A_TIME = 200
/** What a collection of garbage leaves differs by this much from one to the next; 100 bytes a session would be more. */
const HEAP_TOLERANCE = 2_000_000

t.setTimeout(300_000)

/** Wires clean up after themselves here; a test of 20,000 of them does not keep them for its end. */
const unkept = { teardown () {} }

interface Meeting { client: Wire, target: Promise<Wire> }

/** A session with both ends; its client has sent a message, and so has its target. */
type Ending = (client: Wire, target: Wire) => Promise<void>

async function both (client: Wire, target: Wire): Promise<void> {
  for (const wire of [client, target]) {
    await wire.over()
    wire.end()
    await wire.gone()
  }
}

/** Each side answers a Close that it is told, and the target ends. */
async function answer (client: Wire, target: Wire, expected: [client: string, target: string]): Promise<void> {
  const [told, toldTarget] = await Promise.all([client.close(), target.close()])
  if (told !== expected[0] || toldTarget !== expected[1]) throw new Error(`told ${told} and ${toldTarget}, not ${expected.join(' and ')}`)
  client.write(masked(0x88, closing(1000)))
  target.write(frame(0x88, closing(1000))).end()
  await both(client, target)
}

async function expectClose (wire: Wire, expected: string): Promise<void> {
  const told = await wire.close()
  if (!told.startsWith(expected)) throw new Error(`told ${told}, not ${expected}`)
}

async function expectEnd (wire: Wire): Promise<void> {
  const rest = await wire.rest()
  if (rest !== '') throw new Error(`got ${rest.length} bytes before the end`)
}

/** How an open session ends, by the path it is opened under, and what its log line says of it. */
const ENDINGS: Record<string, { logged: string, end: Ending }> = {
  '/client-closes': {
    logged: 'client close',
    async end (client, target) {
      client.write(masked(0x88, closing(1000)))
      await expectClose(target, '1000')
      target.write(frame(0x88, closing(1000))).end()
      await expectClose(client, '1000')
      await both(client, target)
    }
  },
  '/target-closes': {
    logged: 'target close',
    async end (client, target) {
      target.write(frame(0x88, closing(4001, 'bye')))
      await expectClose(client, '4001 bye')
      client.write(masked(0x88, closing(4001)))
      await expectClose(target, '4001')
      target.end()
      await both(client, target)
    }
  },
  '/client-resets': {
    logged: 'client lost',
    async end (client, target) {
      client.reset()
      await expectEnd(target)
      await both(client, target)
    }
  },
  '/target-resets': {
    logged: 'target lost',
    async end (client, target) {
      target.reset()
      await expectEnd(client)
      await both(client, target)
    }
  },
  '/client-ends': {
    logged: 'client lost',
    async end (client, target) {
      client.end()
      await expectEnd(target)
      await both(client, target)
    }
  },
  '/target-ends': {
    logged: 'target lost',
    async end (client, target) {
      target.end()
      await expectEnd(client)
      await both(client, target)
    }
  },
  '/client-resets-in-frame': {
    logged: 'client lost',
    async end (client, target) {
      client.write(masked(0x82, Buffer.alloc(500)).subarray(0, 300))
      await target.has(300)
      client.reset()
      await both(client, target)
    }
  },
  '/target-ends-in-frame': {
    logged: 'target lost',
    async end (client, target) {
      target.write(frame(0x82, Buffer.alloc(500)).subarray(0, 300)).end()
      await client.has(300)
      await both(client, target)
    }
  },
  '/client-violates': {
    logged: 'client protocol-error',
    async end (client, target) {
      client.write(frame(0x81, 'not masked'))
      await Promise.all([expectClose(client, '1002'), expectClose(target, '1002')])
      target.end()
      await both(client, target)
    }
  },
  '/target-violates': {
    logged: 'target protocol-error',
    async end (client, target) {
      target.write(frame(0x83, 'reserved'))
      await Promise.all([expectClose(client, '1002'), expectClose(target, '1002')])
      client.write(masked(0x88, closing(1002)))
      target.end()
      await both(client, target)
    }
  },
  '/limited/big': {
    logged: 'client too-big',
    async end (client, target) {
      client.write(masked(0x82, Buffer.alloc(1001)))
      await Promise.all([expectClose(client, '1009'), expectClose(target, '1009')])
      target.end()
      await both(client, target)
    }
  },
  '/closed/by-app': { logged: 'gateway application', end: (client, target) => answer(client, target, ['4000 enough', '4000 enough']) },
  '/idle/idle': { logged: 'gateway idle', end: (client, target) => answer(client, target, ['1001', '1001']) }
}

/** What does not become a session. */
const REFUSALS: Record<string, (meeting: Meeting) => Promise<void>> = {
  async '/refused' ({ client, target }) {
    const wire = await target
    await wire.head()
    wire.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno').end()
    await expectStatus(client, 403)
    await both(client, wire)
  },
  async '/unreachable/x' ({ client }) {
    await expectStatus(client, 502)
    await client.over()
    client.end()
    await client.gone()
  },
  async '/leaves' ({ client, target }) {
    const wire = await target
    await wire.head()
    client.reset()
    await wire.over()
    wire.end()
    await wire.gone()
  },
  async '/leaves-politely' ({ client, target }) {
    const wire = await target
    await wire.head()
    client.end()
    await both(client, wire)
  }
}

async function expectStatus (client: Wire, status: number): Promise<void> {
  const { start } = await client.head()
  if (start.split(' ')[1] !== String(status)) throw new Error(`got ${start}`)
}

t.test(`${SESSIONS} sessions of mixed endings leave nothing behind`, async t => {
  /** Who waits for the connection with this path. */
  const waiting = new Map<string, (wire: Wire) => void>()
  const heads = new WeakMap<Wire, Head>()
  const server = createServer({ allowHalfOpen: true }, async (socket: Socket) => {
    const wire = new Wire(unkept, socket)
    const head = await wire.head()
    heads.set(wire, head)
    // Whoever wants the head itself has it already.
    wire.head = async () => head
    const path = head.start.split(' ')[1]!
    waiting.get(path)?.(wire)
    waiting.delete(path)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => { server.close() })

  const gateway = new Program<GatewayResponses>('gateway', t)
  const port = await gateway.ask('start', {
    target: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    unreachable: `http://127.0.0.1:${await refusingPort()}`,
    closeTimeout: 10_000
  })

  const names = [...Object.keys(ENDINGS), ...Object.keys(REFUSALS)]
  let next = 0
  const expected: Record<string, number> = {}
  const one = async (): Promise<void> => {
    const number = next++
    const name = names[number % names.length]!
    const path = `${name}-${number}`
    const target = new Promise<Wire>(resolve => { waiting.set(path, resolve) })
    const client = await Wire.connect(unkept, port)
    client.write(handshake({ path }))
    const ending = ENDINGS[name]
    try {
      if (ending === undefined) {
        await REFUSALS[name]!({ client, target })
        waiting.delete(path)
        return
      }
      const wire = await target
      wire.write(goodResponse(heads.get(wire)!))
      await expectStatus(client, 101)
      expected[ending.logged] = (expected[ending.logged] ?? 0) + 1
      if (!name.startsWith('/closed/')) {
        client.write(masked(0x81, `up ${number}`))
        wire.write(frame(0x81, `down ${number}`))
        const [up, down] = await Promise.all([wire.frame(), client.frame()])
        if (up.payload.toString() !== `up ${number}` || down.payload.toString() !== `down ${number}`) throw new Error('another message')
      }
      await ending.end(client, wire)
    } catch (error) {
      throw new Error(`${path}: ${(error as Error).message}`)
    }
  }

  // What is made once, and compiled, is made before the start.
  await times(Math.min(SESSIONS, 2000), AT_A_TIME, one)
  const before = await settled(() => gateway.ask('usage'))
  const started = performance.now()
  await times(SESSIONS, AT_A_TIME, one)
  const took = Math.round(performance.now() - started)
  const after = await settled(() => gateway.ask('usage'))

  t.equal(after.sessions, 0)
  t.same(after.ends, expected, 'one log line a session, and each says how it ended')
  t.equal(after.descriptors, before.descriptors, 'the descriptors of the start')
  t.same(after.resources, before.resources, 'the handles and timers of the start')
  t.ok(after.heap - before.heap < HEAP_TOLERANCE, `the heap of the start: ${before.heap} bytes before, ${after.heap} after`)
  t.ok(after.external - before.external < HEAP_TOLERANCE, `and the memory beside it: ${before.external} before, ${after.external} after`)
  t.comment(`${SESSIONS} in ${took} ms; descriptors ${before.descriptors} before, ${after.descriptors} after; heap ${before.heap}, ${after.heap}; external ${before.external}, ${after.external}; ${JSON.stringify(after.resources)}`)
  await gateway.ask('close')
  t.equal(await gateway.over(), 0, 'and then the process ends by itself')
})
