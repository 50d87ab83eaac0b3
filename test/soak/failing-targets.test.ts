import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import type { UpstreamConfig, WebSocketConfig } from '../../src/options/index.js'
import { RequestLoad } from './request-load.js'
import type { BalancingGatewayResponses } from './programs/balancing-gateway.js'
import type { KillableTargetResponses } from './programs/killable-target.js'
import { Program, times } from './program.js'

/* Real targets that are killed, stopped and started again under load. The figures in docs/upstreams.md are from here. */

const RATE = Number(process.env.RATE ?? 200)
const SESSIONS = Number(process.env.SESSIONS ?? 300)

t.setTimeout(240_000)

interface Target { program: Program<KillableTargetResponses>, url: string, port: number }

async function startTarget (t: Test, port = 0): Promise<Target> {
  const program = new Program<KillableTargetResponses>('killable-target', t)
  const listening = await program.ask('listen', port)
  return { program, port: listening, url: `http://127.0.0.1:${listening}` }
}

interface Session { socket: WebSocket, ended: { code: number, at: number } | undefined }

interface Run {
  targets: Target[]
  gateway: Program<BalancingGatewayResponses>
  load: RequestLoad
  sessions: Session[]
}

async function begin (t: Test, count: number, upstream: Partial<UpstreamConfig> = {}, websocket: WebSocketConfig = {}): Promise<Run> {
  const targets = await Promise.all(Array.from({ length: count }, () => startTarget(t)))
  const gateway = new Program<BalancingGatewayResponses>('balancing-gateway', t)
  const address = await gateway.ask('start', {
    upstreams: { main: { targets: targets.map(({ url }) => url), ...upstream } },
    routes: [{ url: '/*', upstream: 'main', websocket }]
  })
  const sessions: Session[] = []
  await times(SESSIONS, 50, async () => {
    const socket = new WebSocket(address.replace('http', 'ws'), { perMessageDeflate: false })
    t.teardown(() => socket.terminate())
    await once(socket, 'open')
    const session: Session = { socket, ended: undefined }
    socket.on('error', () => {}).on('close', code => { session.ended = { code, at: Date.now() } })
    sessions.push(session)
  })
  const load = new RequestLoad(address, RATE)
  t.teardown(() => load.stop())
  await pause(2_000)
  t.match(Object.keys((await load.served()).outcomes), ['200'], 'all is well before')
  await gateway.ask('cpu')
  return { targets, gateway, load, sessions }
}

/** Nothing counts any more when all has ended. */
async function end (t: Test, { gateway, load, sessions }: Run): Promise<void> {
  await load.stop()
  for (const { socket } of sessions) socket.terminate()
  await gateway.ask('idle')
  t.match(await gateway.ask('load'), { requests: 0, handshakes: 0, sessions: 0, retries: 0, waiting: 0 }, 'all counters are 0')
  t.same((await gateway.ask('targets')).map(({ requests, sessions, handshakes }) => requests + sessions + handshakes).filter(load => load > 0), [])
}

t.test(`one of three targets is killed under ${RATE} requests a second and ${SESSIONS} sessions, and comes back`, async t => {
  const run = await begin(t, 3)
  const { targets, gateway, load, sessions } = run
  const lost = await targets[1]!.program.ask('sessions')
  const killedAt = Date.now()
  targets[1]!.program.process.kill('SIGKILL')
  await pause(5_000)
  const during = await load.served()
  t.match(Object.keys(during.outcomes), ['200'], `no request fails: ${JSON.stringify(during.outcomes)}`)
  const ended = sessions.filter(session => session.ended !== undefined)
  t.equal(ended.length, lost, 'the sessions of that target end, and no other')
  const latest = Math.max(...ended.map(session => session.ended!.at - killedAt))
  t.ok(latest < 1_000, `within ${latest} ms`)
  const ejected = (await gateway.ask('changes')).find(({ health }) => health === 'ejected')
  t.ok(ejected, 'it is ejected')
  const cpu = await gateway.ask('cpu')
  targets.push(await startTarget(t, targets[1]!.port))
  const startedAt = Date.now()
  await gateway.ask('until', { index: 1, health: 'healthy' })
  await pause(2_000)
  const after = await load.served()
  t.match(Object.keys(after.outcomes), ['200'], 'nor when it is back')
  t.comment(`killed: ${during.count} requests, the slowest took ${Math.round(during.slowest)} ms; ${lost} sessions lost, the last after ${latest} ms; ejected after ${ejected!.at - killedAt} ms, back ${Date.now() - startedAt - 2_000} ms after its start; ${Math.round(cpu * 100)} % of a core`)
  await end(t, run)
})

for (const [name, upstream] of [
  ['with active checks', { health: { path: '/health' } }],
  ['with active checks and attemptTimeout', { health: { path: '/health' }, attemptTimeout: 1_000 }]
] as const) {
  t.test(`one of three targets is stopped (SIGSTOP), ${name}`, async t => {
    const run = await begin(t, 3, upstream, { onUnhealthy: 'close' })
    const { targets, gateway, load, sessions } = run
    const { program, url } = targets[1]!
    const held = await program.ask('sessions')
    const stoppedAt = Date.now()
    program.process.kill('SIGSTOP')
    await gateway.ask('until', { index: 1, health: 'down' })
    const downAt = Date.now() - stoppedAt
    t.ok(downAt <= 10_500, `found to be down after ${downAt} ms`)
    await pause(2_000)
    const stuck = (await gateway.ask('targets'))[1]!.requests
    const ended = sessions.filter(session => session.ended?.code === 1012)
    t.equal(ended.length, held, 'its sessions end with 1012')
    const latest = Math.max(...ended.map(session => session.ended!.at - stoppedAt))
    program.process.kill('SIGCONT')
    const { count, slowest, outcomes } = await load.served()
    t.same(Object.keys(outcomes), ['200'])
    await gateway.ask('until', { index: 1, health: 'healthy' })
    t.comment(`stopped, ${name}: ${url} down after ${downAt} ms, ${stuck} requests were stuck there, the slowest of ${count} took ${Math.round(slowest)} ms; ${held} sessions ended with 1012, the last after ${latest} ms`)
    await end(t, run)
  })
}

t.test('checks that flap, and checks that get no response: no oscillation, and nothing at the whole of a core', async t => {
  const run = await begin(t, 4, { health: { path: '/health', interval: 100, timeout: 200 } })
  const { targets, gateway, load } = run
  await targets[0]!.program.ask('behave', 'flapping')
  await targets[1]!.program.ask('behave', 'silent')
  await gateway.ask('cpu')
  await pause(10_000)
  const cpu = await gateway.ask('cpu')
  const changes = await gateway.ask('changes')
  t.same(changes.filter(({ target }) => target === targets[0]!.url), [], 'one check in two that fails changes nothing')
  t.same(changes.filter(({ target }) => target === targets[1]!.url).map(({ health }) => health), ['down'], 'the silent one is down, once')
  t.match(Object.keys((await load.served()).outcomes), ['200'])
  const checks = await targets[2]!.program.ask('checks')
  t.ok(cpu < 0.8, `${Math.round(cpu * 100)} % of a core`)
  t.comment(`flapping: ${checks} checks of a good target, ${Math.round(cpu * 100)} % of a core with ${RATE} requests a second`)
  await end(t, run)
})

t.test('half of the group fails at once', async t => {
  const run = await begin(t, 4)
  const { targets, gateway, load } = run
  for (const { program } of targets.slice(0, 2)) program.process.kill('SIGKILL')
  await pause(30_000)
  const { outcomes, slowest, count } = await load.served()
  t.same(Object.keys(outcomes), ['200'], 'no request fails')
  const cpu = await gateway.ask('cpu')
  t.ok(cpu < 0.8, `${Math.round(cpu * 100)} % of a core`)
  const changes = await gateway.ask('changes')
  const ejections = changes.filter(({ health }) => health === 'ejected')
  // The second of each lasts twice as long, and so on: at most 3 in half a minute, and never a good target.
  t.ok(ejections.length <= 6, `${ejections.length} ejections`)
  t.same([...new Set(ejections.map(({ target }) => target))].sort(), targets.slice(0, 2).map(({ url }) => url).sort())
  t.comment(`half killed: ${ejections.length} ejections in 30 s, the slowest of ${count} requests took ${Math.round(slowest)} ms, ${Math.round(cpu * 100)} % of a core`)
  await end(t, run)
})
