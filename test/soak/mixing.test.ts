import t from 'tap'
import { selfSigned } from '../helpers/certificates.js'
import { temporaryFolder } from '../helpers/temporary-folder.js'
import { MixingClients } from './mixing/client.js'
import { planOf, type Plan } from './mixing/plan.js'
import { faultOf } from './mixing/talk.js'
import { Program } from './program.js'
import type { MixingGatewayResponses } from './programs/mixing-gateway.js'
import type { MixingTargetsResponses } from './programs/mixing-targets.js'
import { settled } from './usage.js'

/*
 * Issue 8, "Shown by": many exchanges and sessions at once, each with bytes of its own, which both ends check, over
 * each kind of connection on both legs. Many readers are slow, and many exchanges break off.
 *
 * MIXING_MINUTES=<n> goes on for longer. MIXING_FIRST=<n> begins with another exchange; each is known by its number.
 */

const MINUTES = Number(process.env['MIXING_MINUTES'] ?? 2)
const FIRST = Number(process.env['MIXING_FIRST'] ?? 0)
const AT_A_TIME = 60
/** No exchange takes so many milliseconds. */
const STANDSTILL = 15_000
/** What the gateway's memory may differ by; each exchange may have some hundred KiB on its way. */
const RESIDENT_TOLERANCE = 128 * 1024 ** 2
const HEAP_TOLERANCE = 6_000_000

t.setTimeout((MINUTES * 60 + 180) * 1000)

t.test(`${MINUTES} minutes of exchanges and sessions over TCP, TLS and Unix sockets, of which each gets its own bytes`, async t => {
  const { key, cert } = await selfSigned(t, 'DNS:localhost', 'IP:127.0.0.1')
  const folder = await temporaryFolder(t)
  const targets = new Program<MixingTargetsResponses>('mixing-targets', t)
  const gateway = new Program<MixingGatewayResponses>('mixing-gateway', t)
  const urls = await targets.ask('start', { key, cert, folder })
  const clients = new MixingClients(await gateway.ask('start', { key, cert, folder, targets: urls }))
  t.teardown(() => clients.close())

  const faults: string[] = []
  const counts: Record<string, number> = {}
  let bytes = 0
  let messages = 0
  let next = FIRST
  const one = async (): Promise<void> => {
    const plan = planOf(next++)
    const name = `${plan.kind}${plan.ending === undefined ? '' : `, ${plan.ending.how} by ${plan.ending.by}`}`
    counts[name] = (counts[name] ?? 0) + 1
    const watchdog = setTimeout(() => { faults.push(`exchange ${plan.number} stands still: ${JSON.stringify(plan)}`) }, STANDSTILL)
    try {
      await follow(plan)
    } finally {
      clearTimeout(watchdog)
    }
  }
  const follow = async (plan: Plan): Promise<void> => {
    if (plan.kind !== 'session') {
      const { bytes: read, fault } = await clients.exchange(plan)
      bytes += read
      if (fault !== undefined) faults.push(fault)
      return
    }
    const client = await clients.session(plan)
    const target = await targets.ask('outcome', plan.number)
    if (client === undefined || target === undefined) {
      faults.push(`session ${plan.number}: did not open`)
      return
    }
    bytes += client.bytes + target.bytes
    messages += client.received + target.received
    const fault = faultOf(plan, client, target)
    if (fault !== undefined) faults.push(fault)
  }
  const go = async (end: number): Promise<void> => {
    const work = Promise.all(Array.from({ length: AT_A_TIME }, async () => {
      while (performance.now() < end && faults.length === 0) await one()
    }))
    // Whoever stands still must not hold up the test.
    await Promise.race([work, new Promise(resolve => setTimeout(resolve, end - performance.now() + 2 * STANDSTILL).unref())])
  }
  /** What the gateway holds without the connections that clients and pools keep. */
  const kept = async () => {
    clients.close()
    await targets.ask('drop')
    return await settled(() => gateway.ask('usage'))
  }

  const began = performance.now()
  let resident: number[] = []
  const look = setInterval(() => { gateway.ask('resident').then(value => resident.push(value), () => {}) }, 500)
  t.teardown(() => clearInterval(look))
  // What is made once, compiled and pooled, is made before the start.
  await go(began + MINUTES * 15_000)
  const before = await kept()
  const early = Math.max(...resident)
  resident = []
  await go(began + MINUTES * 60_000)
  const late = Math.max(...resident)
  const seconds = (performance.now() - began) / 1000
  clearInterval(look)
  const after = await kept()

  const { faults: atTargets, bytes: uploaded } = await targets.ask('report')
  t.same([...faults, ...atTargets], [], 'every byte was the right one, and nothing was lost')
  t.equal(after.descriptors, before.descriptors, 'the descriptors of the start')
  t.same(after.resources, before.resources, 'the handles and timers of the start')
  t.ok(after.heap - before.heap < HEAP_TOLERANCE, `the heap of the start: ${before.heap} bytes before, ${after.heap} after`)
  t.ok(late - early < RESIDENT_TOLERANCE, `flat memory: at most ${Math.round(early / 1024 ** 2)} MiB resident in the first quarter, ${Math.round(late / 1024 ** 2)} MiB later`)
  t.comment(`${next - FIRST} exchanges, ${messages} messages, ${((bytes + uploaded) / 1e9).toFixed(1)} GB checked in ${Math.round(seconds)} s; external ${before.external} before, ${after.external} after`)
  t.comment(JSON.stringify(Object.fromEntries(Object.entries(counts).sort(([one], [other]) => one < other ? -1 : 1)), null, 1))
  await gateway.ask('close')
  t.equal(await gateway.over(), 0, 'and then the process ends by itself')
})
