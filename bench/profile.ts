import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { measureOf, peerOf } from './arguments.js'
import { Load, Proxy } from './measure.js'
import { measures } from './measures.js'
import { compileServers } from './peers/servers/compile.js'
import { cleanUpAtExit, stopAll } from './processes.js'
import { selfTimes, selfTimesByOrigin, type CpuProfile } from './report/self-times.js'

/** `npm run bench:profile`: where the CPU time of a proxy in Node goes, function by function, under each load. */

const usage = `Usage: npm run bench:profile -- [options] [measure ...]

Measures: ${measures.map(({ id }) => id).join(', ')}. Default: ws-64b, ws-16k, ws-handshake, http-get.

  --peer NAME       a peer in Node; default sluice
  --top N           how many functions are printed; default 25
  --folder PATH     where the .cpuprofile files go, for Chrome's DevTools; default node_modules/.cache/sluice-bench/profiles
  --help`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    peer: { type: 'string', default: 'sluice' },
    top: { type: 'string', default: '25' },
    folder: { type: 'string', default: 'node_modules/.cache/sluice-bench/profiles' },
    help: { type: 'boolean', default: false }
  }
})
if (values.help) {
  console.log(usage)
  process.exit()
}

const chosen = positionals.length > 0 ? positionals : ['ws-64b', 'ws-16k', 'ws-handshake', 'http-get']
cleanUpAtExit()
try {
  const peer = peerOf(values.peer)
  if (!peer.isNode) throw new Error(`${peer.name} is no program in Node`)
  await mkdir(values.folder, { recursive: true })
  await compileServers()
  for (const id of chosen) await profile(id)
} catch (error) {
  console.error(`${(error as Error).message}\n\n${usage}`)
  process.exitCode = 1
} finally {
  await stopAll()
}

async function profile (id: string): Promise<void> {
  const measure = measureOf(id)
  const load = await Load.start()
  const proxy = await Proxy.start(peerOf(values.peer), load, measure.tlsSide)
  const limits = { connections: measure.connections, maxOperations: measure.maxOperations, patience: 20_000 }
  await load.run(proxy, measure.operation, { ...limits, warmUp: 1500, window: 100 })
  await proxy.ask({ do: 'start profile' })
  const result = await load.run(proxy, measure.operation, { ...limits, warmUp: 10, window: 3000 })
  const file = resolve(values.folder, `${values.peer.replace(/\W+/g, '-')}-${id}.cpuprofile`)
  await proxy.ask({ do: 'stop profile', file })
  await proxy.stop()
  await load.stop()

  console.log(`\n${values.peer}, ${measure.title}: ${(result.cpuPerOperation / measure.units).toFixed(1)} µs CPU per ${measure.unit} with the profiler on (${file})`)
  const times = selfTimes(JSON.parse(readFileSync(file, 'utf8')) as CpuProfile)
  for (const { share, name, place } of times.slice(0, Number(values.top))) console.log(`${percent(share)}  ${name.padEnd(36)} ${place}`)
  console.log('By origin')
  for (const { origin, share } of selfTimesByOrigin(times).filter(({ share }) => share >= 0.01)) console.log(`${percent(share)}  ${origin}`)
}

function percent (share: number): string {
  return `${(share * 100).toFixed(1).padStart(6)} %`
}
