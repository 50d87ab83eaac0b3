import { execSync } from 'node:child_process'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { Numbered, type Outcome } from './numbered.js'
import type { GatewayResponses } from './programs/gateway.js'
import type { TargetsResponses } from './programs/targets.js'
import { Program, times } from './program.js'

/** SESSIONS=<n> for another number. */
const SESSIONS = Number(process.env.SESSIONS ?? 2000)

t.setTimeout(180_000)

// Node raises its own limit to the hard one.
const descriptors = Number(execSync('ulimit -Hn', { shell: '/bin/bash' }).toString())
if (descriptors < 2 * SESSIONS + 200) throw new Error(`the gateway needs ${2 * SESSIONS + 200} file descriptors, and may have ${descriptors}: raise 'ulimit -Hn', or set SESSIONS`)

interface Drained {
  /** What each session had passed when the drain began. */
  passed: Map<string, { up: number, down: number }>
  clients: Map<string, Outcome>
  targets: Map<string, Outcome>
}

/** Opens all sessions, lets them talk, and drains the gateway in the middle of it. */
async function drainBusy (t: Test, options: { code: number, spread: number }): Promise<Drained> {
  const targets = new Program<TargetsResponses>('targets', t)
  const gateway = new Program<GatewayResponses>('gateway', t)
  const target = `http://127.0.0.1:${await targets.ask('port')}`
  const port = await gateway.ask('start', { target, unreachable: target, closeTimeout: 30_000 })
  const before = await gateway.ask('usage')

  const talks = new Map<string, Numbered>()
  await times(SESSIONS, 50, async index => {
    const path = `/busy/${index}`
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { perMessageDeflate: false })
    t.teardown(() => socket.terminate())
    talks.set(path, new Numbered(socket))
    await once(socket, 'open')
  })
  for (const talk of talks.values()) talk.begin()
  // Every session is well under way.
  while ([...talks.values()].some(talk => talk.received < 20)) await new Promise(resolve => setTimeout(resolve, 50))

  const passed = await gateway.ask('drain', { timeout: 120_000, ...options })
  const took = await gateway.ask('drained')
  const clients = new Map(await Promise.all([...talks].map(async ([path, talk]) => [path, await talk.over] as const)))
  const targetsOutcomes = new Map(await targets.ask('outcomes'))

  const after = await gateway.ask('usage')
  t.equal(passed.length, SESSIONS, 'all were open')
  t.equal(after.sessions, 0)
  t.equal(after.descriptors, before.descriptors, 'the descriptors of the start')
  t.same(after.resources, before.resources, 'the handles and timers of the start')
  t.same(after.ends, { 'gateway drain': SESSIONS })
  await gateway.ask('close')
  t.equal(await gateway.over(), 0, 'and then the process ends by itself')
  await targets.ask('close')
  t.equal(await targets.over(), 0)
  let messages = 0
  for (const outcomes of [clients, targetsOutcomes]) for (const { received } of outcomes.values()) messages += received
  t.comment(`${SESSIONS} sessions, ${messages} messages; drained in ${took} ms; descriptors ${before.descriptors} before, ${after.descriptors} after`)
  return { passed: new Map(passed.map(([path, up, down]) => [path, { up, down }])), clients, targets: targetsOutcomes }
}

/** The sessions of which something is not true, at most ten of them. */
function exceptions ({ passed, clients, targets }: Drained, check: (passed: { up: number, down: number }, client: Outcome, target: Outcome) => boolean): unknown[] {
  return [...passed]
    .map(([path, numbers]) => ({ path, ...numbers, client: clients.get(path)!, target: targets.get(path)! }))
    .filter(({ up, down, client, target }) => !check({ up, down }, client, target))
    .slice(0, 10)
}

t.test(`${SESSIONS} busy sessions, told all at once`, async t => {
  const drained = await drainBusy(t, { code: 1012, spread: 0 })
  t.same(exceptions(drained, (_, client, target) => client.fault === undefined && target.fault === undefined), [], 'in order, without gaps, and whole')
  t.same(exceptions(drained, (_, client) => client.code === 1012 && client.wasClean), [], 'every client sees a clean close with 1012')
  t.same(exceptions(drained, (_, __, target) => target.code === 1012 && target.wasClean), [], 'and every target')
  // All that had passed in whole, and at most the one that was on its way.
  const exact = (passed: number, received: number): boolean => received === passed || received === passed + 1
  t.same(exceptions(drained, ({ up, down }, client, target) => exact(up, target.received) && exact(down, client.received)), [], 'what was taken in whole has arrived')
})

t.test(`${SESSIONS} busy sessions, told 1012 over two seconds`, async t => {
  const drained = await drainBusy(t, { code: 1012, spread: 2000 })
  t.same(exceptions(drained, (_, client, target) => client.fault === undefined && target.fault === undefined), [], 'in order, without gaps, and whole')
  t.same(exceptions(drained, (_, client, target) => client.code === 1012 && client.wasClean && target.code === 1012 && target.wasClean), [], 'a clean close with 1012 everywhere')
  t.same(exceptions(drained, ({ up, down }, client, target) => target.received >= up && client.received >= down), [], 'what was taken in whole has arrived')
})
