import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { WebSocketSession } from '../../src/index.js'
import { resources, startGateway, type OpenSession } from '../helpers/gateway.js'
import { rawTarget } from '../helpers/raw-target.js'
import { QUICK, accept, lost, open } from '../helpers/reconnect.js'
import { closing, frame, masked, type Wire } from '../helpers/wire.js'

/* Every ending of a session, in every state in which it has no target. */

/** Far longer than an ending may take. */
const CLOSE_TIMEOUT = 10_000

interface State {
  session: OpenSession
  /** The connection to a target that is open. */
  server?: Wire
  /** Another session. */
  other?: OpenSession
}

const STATES: Record<string, (t: Test, websocket: object) => Promise<State>> = {
  'waiting for an attempt': async (t, websocket) => {
    const session = await open(t, { delay: 60_000, maxDelay: 60_000 }, { closeTimeout: CLOSE_TIMEOUT, ...websocket })
    session.server.reset()
    await lost(session)
    return { session }
  },
  'a handshake under way': async (t, websocket) => {
    const session = await open(t, {}, { closeTimeout: CLOSE_TIMEOUT, ...websocket })
    session.server.reset()
    const server = await session.target.next()
    await server.head()
    return { session, server }
  },
  'waiting in the queue': async (t, websocket) => {
    const session = await open(t, {}, { closeTimeout: CLOSE_TIMEOUT, ...websocket }, { upstream: { maxSessions: 1, queueTimeout: 60_000 } })
    const { gateway, target, server } = session
    // It is given the place that becomes free.
    const other = open(t, {}, {}, { on: session })
    while (gateway.app.gateway.upstreams.get('main')!.load.waiting < 1) await pause(1)
    server.reset()
    await other
    t.equal(target.connections, 2)
    while (gateway.app.gateway.upstreams.get('main')!.load.waiting < 1) await pause(1)
    return { session, other: await other }
  },
  'onReconnect under way': async (t, websocket) => {
    const session = await open(t, { onReconnect: async () => await new Promise(() => {}) }, { closeTimeout: CLOSE_TIMEOUT, ...websocket })
    session.server.reset()
    const { server } = await accept(session.target)
    while (session.gateway.app.gateway.sessions.list()[0]!.reconnects === 0) await pause(1)
    return { session, server }
  },
  'moving to another target': async (t, websocket) => {
    const [first, second] = [await rawTarget(t), await rawTarget(t)]
    const gateway = await startGateway(t, { targets: [first.url, { url: second.url, priority: 1 }], route: { websocket: { closeTimeout: CLOSE_TIMEOUT, reconnect: QUICK, ...websocket } } })
    const session = await open(t, {}, {}, { on: { gateway, target: first } })
    gateway.app.gateway.upstreams.get('main')!.setTarget(first.url, { state: 'drain' })
    t.equal(await session.server.close(), '1012')
    return { session, server: session.server }
  }
}

interface Ending {
  websocket?: object
  end (session: OpenSession, live: WebSocketSession): unknown
  /** The Close that the client gets; undefined for none. */
  close?: string
  expected: object
}

const ENDINGS: Record<string, Ending> = {
  'a Close of the client': {
    end: ({ client }) => client.write(masked(0x88, closing(4001, 'bye'))),
    close: '4001 bye',
    expected: { by: 'client', reason: 'close', code: 4001 }
  },
  'FIN of the client': { end: ({ client }) => client.end(), expected: { by: 'client', reason: 'lost', code: 1006 } },
  'RST of the client': { end: ({ client }) => client.reset(), expected: { by: 'client', reason: 'lost', code: 1006 } },
  'what breaks the protocol': {
    end: ({ client }) => client.write(frame(0x81, 'not masked')),
    close: '1002 an unmasked frame from a client',
    expected: { by: 'client', reason: 'protocol-error', code: 1002 }
  },
  'session.close()': { end: (_, live) => live.close(4000, 'enough'), close: '4000 enough', expected: { by: 'gateway', reason: 'application', code: 4000 } },
  'a drain': { end: ({ gateway }) => { gateway.app.gateway.drain() }, close: '1012', expected: { by: 'gateway', reason: 'drain', code: 1012 } },
  'the end of its time': { websocket: { maxLifetime: 300 }, end: () => {}, close: '1001', expected: { by: 'gateway', reason: 'lifetime', code: 1001 } },
  idleTimeout: { websocket: { idleTimeout: 300 }, end: () => {}, close: '1001', expected: { by: 'gateway', reason: 'idle', code: 1001 } },
  'silence of the client': { websocket: { pingInterval: 100, pongTimeout: 200 }, end: () => {}, expected: { by: 'client', reason: 'ping-timeout', code: 1006 } }
}

for (const [state, reach] of Object.entries(STATES)) {
  t.test(state, async t => {
    for (const [name, { websocket = {}, end, close, expected }] of Object.entries(ENDINGS)) {
      await t.test(name, { timeout: 20_000 }, async t => {
        const { session, server, other } = await reach(t, websocket)
        const { client, gateway } = session
        const [live] = gateway.app.gateway.sessions.list()
        const begun = performance.now()
        end(session, live!)
        if (close !== undefined) {
          let got = await client.frame()
          // One of the gateway's own may be on its way.
          while (got.opcode === 9) got = await client.frame()
          t.equal(got.opcode, 8)
          t.equal(`${got.payload.readUInt16BE()} ${got.payload.toString('utf8', 2)}`.trim(), close)
          if (!close.startsWith('1002')) client.write(masked(0x88, got.payload))
        }
        await client.over()
        client.end()
        // A target that takes part: it closes when it is asked to.
        await server?.over()
        server?.end()
        while (!gateway.ends.some(end => end.reason === (expected as typeof end).reason)) await gateway.ended(gateway.ends.length + 1)
        t.match(gateway.ends.find(end => end.reason === (expected as typeof end).reason), expected)
        t.ok(performance.now() - begun < CLOSE_TIMEOUT / 2, `after ${Math.round(performance.now() - begun)} ms`)
        other?.client.reset()
        await other?.server.over()
        other?.server.end()
        await gateway.ended(other === undefined ? 1 : 2)
        await server?.gone()
        await gateway.idle()
        t.same(gateway.app.gateway.upstreams.get('main')!.load, { requests: 0, handshakes: 0, sessions: 0, retries: 0, waiting: 0 })
        t.equal(resources().timers, 0, 'no timer is left')
        await gateway.app.close()
      })
    }
  })
}
