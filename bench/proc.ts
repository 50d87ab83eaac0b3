import { readFileSync, readdirSync } from 'node:fs'

/** What Linux tells of a process, without asking it. */

/** CPU time that a process has used so far, user and system, all threads, in microseconds. */
export function cpuMicros (pid: number): number {
  let nanoseconds = 0
  // The same accounts as in /proc/PID/stat, which rounds them to 10 ms.
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number.parseInt(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1'), 10)
  }
  return nanoseconds / 1000
}

/** Resident memory of a process, in KiB. */
export function residentKibibytes (pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))![1])
}

/** The processor, as the report names it. */
export function processorName (): string {
  return /^model name\s*:\s*(.+)$/m.exec(readFileSync('/proc/cpuinfo', 'latin1'))?.[1] ?? 'unknown processor'
}
