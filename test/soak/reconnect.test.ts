import { execSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { handshake } from '../helpers/raw-client.js'
import { Program, times } from './program.js'
import type { BalancingGatewayResponses } from './programs/balancing-gateway.js'
import type { RecordingTargetResponses } from './programs/recording-target.js'
import { survive, tell } from './survivors.js'

/* A target that is killed and started again under busy sessions, on a route with `reconnect`. The figures in docs/reconnect.md are from here. */

const SESSIONS = Number(process.env.SESSIONS ?? 500)
const KILLS = Number(process.env.KILLS ?? 4)

// It takes some 20 s; a busy machine needs more.
t.setTimeout(180_000)

t.test(`no client notices that its target is killed, ${KILLS} times under ${SESSIONS} busy sessions`, async t => {
  const survival = { sessions: SESSIONS, kills: KILLS }
  const losses = await survive(t, survival)
  t.comment(tell(losses, survival))
  t.ok(losses.unprocessed + losses.unanswered < losses.sent / 20, 'few are lost')
})

const descriptors = Number(execSync('ulimit -Hn', { shell: '/bin/bash' }).toString())
/** Each takes two descriptors of the gateway. */
const MANY = Number(process.env.MANY ?? Math.min(10_000, Math.floor((descriptors - 200) / 2)))

t.test(`${MANY} idle sessions lose their target at once`, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'reconnect-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const record = join(folder, 'record')
  const gateway = new Program<BalancingGatewayResponses>('balancing-gateway', t)
  const [target, next] = [new Program<RecordingTargetResponses>('recording-target', t), new Program<RecordingTargetResponses>('recording-target', t)]
  const port = await target.ask('listen', { port: 0, record })
  const address = await gateway.ask('start', {
    upstreams: { main: { targets: [`http://127.0.0.1:${port}`] } },
    routes: [{ url: '/*', upstream: 'main', websocket: { reconnect: { attempts: 100 } } }]
  })
  const sockets: Socket[] = []
  t.teardown(() => { for (const socket of sockets) socket.destroy() })
  let ended = 0
  await times(MANY, 50, async () => {
    const socket = connect(Number(new URL(address).port), '127.0.0.1').on('error', () => {})
    socket.write(handshake({ path: '/' }))
    await once(socket, 'data')
    socket.resume().on('close', () => { ended++ })
    sockets.push(socket)
  })
  const before = await gateway.ask('state')
  const exited = once(target.process, 'exit')
  target.process.kill('SIGKILL')
  await exited
  while ((await gateway.ask('load')).sessions > 0) await pause(50)
  // Each has made an attempt of its own, to no avail.
  while ((await gateway.ask('targets'))[0]!.failures < MANY) await pause(50)
  const without = await gateway.ask('state')
  await next.ask('listen', { port, record })
  const begun = performance.now()
  while ((await gateway.ask('reconnected')) < MANY) await pause(100)
  const took = performance.now() - begun
  const after = await gateway.ask('state')
  t.equal(ended, 0, 'no connection of a client has ended')
  const perSession = (bytes: number): string => `${(bytes / MANY / 1000).toFixed(1)} kB`
  t.comment(`${MANY} idle sessions: all have a target again ${(took / 1000).toFixed(1)} s after it has; the longest stall of the event loop was ${Math.round(without.stall)} ms while there was none, ${Math.round(after.stall)} ms while they came back; a session takes ${perSession(before.memory)} with a target, ${perSession(without.memory)} without, ${perSession(after.memory)} afterwards`)
  t.ok(after.memory < 1.3 * before.memory, 'nothing is left of it in memory')
  for (const socket of sockets) socket.destroy()
  await gateway.ask('idle')
  t.match(await gateway.ask('load'), { requests: 0, handshakes: 0, sessions: 0, retries: 0, waiting: 0 })
})
