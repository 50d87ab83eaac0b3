import t from 'tap'
import { selfSigned } from '../helpers/certificates.js'
import { temporaryFolder } from '../helpers/temporary-folder.js'
import { Program } from './program.js'
import type { Batch, FuzzClientsResponses } from './programs/fuzz-clients.js'
import type { FuzzGatewayResponses } from './programs/fuzz-gateway.js'
import type { FuzzTargetsResponses } from './programs/fuzz-targets.js'
import { settled } from './usage.js'

/*
 * Issue 8, "Shown by": hostile clients and hostile targets, over every kind of listener, from one seed.
 *
 * FUZZ_MINUTES=30 goes on for longer. FUZZ_SEED=<n> sends the same again, FUZZ_FIRST=<n> from this connection on.
 */

const MINUTES = Number(process.env['FUZZ_MINUTES'] ?? 4)
const SEED = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const FIRST = Number(process.env['FUZZ_FIRST'] ?? 0)
/** Connections between two probes, and a second at most. */
const BATCH = 5000
const RATE = 1000
/** What a collection of garbage leaves differs by this much; some hundred bytes a connection would be more. */
const HEAP_TOLERANCE = 8_000_000
const DRAIN_TIMEOUT = 3000
/** What a machine under load may take longer. */
const MARGIN = 3000

t.setTimeout((MINUTES * 60 + 180) * 1000)

t.test(`${MINUTES} minutes of hostile clients and targets end nothing, mix nothing up, and leave nothing behind`, async t => {
  t.comment(`FUZZ_SEED=${SEED} FUZZ_FIRST=${FIRST}`)
  const { key, cert } = await selfSigned(t, 'DNS:localhost', 'IP:127.0.0.1')
  const folder = await temporaryFolder(t)
  const targets = new Program<FuzzTargetsResponses>('fuzz-targets', t)
  const clients = new Program<FuzzClientsResponses>('fuzz-clients', t)
  const gateway = new Program<FuzzGatewayResponses>('fuzz-gateway', t)
  const upstreams = await targets.ask('start', { key, cert, folder })
  const addresses = await gateway.ask('start', { key, cert, folder, upstreams })
  await clients.ask('start', { seed: SEED, addresses })

  const counts: Record<string, number> = {}
  let next = FIRST
  /** A batch, and a probe behind it. False when there is no use in going on. */
  const batch = async (): Promise<boolean> => {
    const [from, to] = [next, next += BATCH]
    // Code that is not compiled yet is slow, and well-behaved clients have time limits, too.
    const { failures, suspects, counts: more } = await clients.ask('run', { from, to, rate: from === FIRST ? RATE / 5 : RATE })
    for (const [name, count] of Object.entries(more)) counts[name] = (counts[name] ?? 0) + count
    const place = `FUZZ_SEED=${SEED} FUZZ_FIRST=${from}`
    t.same(failures, [], `${place}: every client got its own`, failures.length === 0 ? { diagnostic: false } : {})
    if (suspects.length > 0 || gateway.process.exitCode !== null) {
      t.fail(`${place}: the gateway's process is gone (${gateway.process.exitCode ?? gateway.process.signalCode}); connections then: ${suspects.join(' ')}`)
      return false
    }
    const faults = await clients.ask('probe', from)
    t.same(faults, [], `${place}: all is served behind it`)
    return failures.length + faults.length === 0
  }
  /** What the gateway holds without the connections that its pools keep. */
  const kept = async () => {
    await targets.ask('drop')
    return await settled(() => gateway.ask('usage'))
  }

  const began = performance.now()
  const until = (part: number): number => began + part * MINUTES * 60_000
  let highest = 0
  const go = async (end: number): Promise<boolean> => {
    do {
      if (!await batch()) return false
      highest = Math.max(highest, await gateway.ask('resident'))
    } while (performance.now() < end)
    return true
  }
  // What is made once, compiled, cached and pooled, is made before the start.
  if (!await go(until(1 / 4))) return
  const before = await kept()
  const first = next
  if (!await go(until(1))) return
  const seconds = (performance.now() - began) / 1000
  const after = await kept()
  t.equal(after.descriptors, before.descriptors, 'the descriptors of the start')
  t.same(after.resources, before.resources, 'the handles and timers of the start')
  t.ok(after.heap - before.heap < HEAP_TOLERANCE, `the heap of the start: ${before.heap} bytes before, ${after.heap} after`)
  t.same(after.warnings, [])
  t.comment(`${next - FIRST} connections in ${Math.round(seconds)} s, ${Math.round((next - FIRST) / seconds)} a second, ${next - first} of them since the start; at most ${Math.round(highest / 1024 ** 2)} MiB resident; ${JSON.stringify({ before, after })}`)
  t.comment(JSON.stringify(Object.fromEntries(Object.entries(counts).sort(([one], [other]) => one < other ? -1 : 1)), null, 1))

  const last: Promise<Batch> = clients.ask('run', { from: next, to: next + BATCH, rate: RATE })
  await new Promise(resolve => setTimeout(resolve, 2000))
  const took = await gateway.ask('close')
  t.ok(Math.max(...Object.values(took)) < DRAIN_TIMEOUT + MARGIN, `all apps close within drainTimeout, in the middle of it: ${JSON.stringify(took)}`)
  t.equal(await gateway.over(), 0, 'and then the process ends by itself')
  await last
})
