/** What of a .cpuprofile is read here. */
export interface CpuProfile {
  nodes: Array<{ id: number, callFrame: { functionName: string, url: string, lineNumber: number } }>
  samples: number[]
  timeDeltas: number[]
}

export interface SelfTime {
  name: string
  place: string
  /** Of all time that the process was not idle. */
  share: number
}

/** The functions of a profile by the time spent in them, not counting what they call; the most expensive first. */
export function selfTimes ({ nodes, samples, timeDeltas }: CpuProfile): SelfTime[] {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
  const times = new Map<string, { name: string, place: string, time: number }>()
  let total = 0
  samples.forEach((sample, index) => {
    const { functionName, url, lineNumber } = frames.get(sample)!
    if (functionName === '(idle)') return
    const name = functionName === '' ? '(anonymous)' : functionName
    const place = url === '' ? '' : `${url.replace(/^file:\/\//, '').replace(/^.*\/node_modules\//, '')}:${lineNumber + 1}`
    const key = `${name} ${place}`
    const entry = times.get(key) ?? { name, place, time: 0 }
    entry.time += timeDeltas[index]!
    total += timeDeltas[index]!
    times.set(key, entry)
  })
  return [...times.values()].sort((a, b) => b.time - a.time).map(({ name, place, time }) => ({ name, place, share: time / total }))
}

/** The same by whose code it is. What has no file is native: system calls, the collector, the engine. */
export function selfTimesByOrigin (times: readonly SelfTime[]): Array<{ origin: string, share: number }> {
  const shares = new Map<string, number>()
  for (const { name, place, share } of times) {
    const origin = originOf(name, place)
    shares.set(origin, (shares.get(origin) ?? 0) + share)
  }
  return [...shares].map(([origin, share]) => ({ origin, share })).sort((a, b) => b.share - a.share)
}

function originOf (name: string, place: string): string {
  if (place === '') return name.startsWith('(') ? name : 'native functions of Node'
  if (place.startsWith('node:')) return /^node:(internal\/)?[^/:]+/.exec(place)![0]
  if (/\/src\/[^:]*\.js:\d+$/.test(place) && (place.startsWith('/') || place.startsWith('.cache/'))) return 'sluice'
  return /^(@[^/]+\/)?[^/]+/.exec(place)?.[0] ?? place
}
