import { spawn, type ChildProcess, type SpawnOptionsWithoutStdio } from 'node:child_process'
import { once } from 'node:events'
import type { Test } from 'tap'

/** A program that the test started. It does not outlive the test. */
export interface Command {
  readonly pid: number
  /** All that it wrote to stdout so far. */
  readonly stdout: string
  /** All that it wrote to stderr so far. */
  readonly stderr: string
  /** Its exit code, or the signal that ended it, once all its output is read. */
  readonly ended: Promise<number | NodeJS.Signals>
  /** Waits until stdout holds the pattern; fails when the program ends before that. */
  output (pattern: RegExp): Promise<RegExpExecArray>
  /** Writes a line to its stdin. */
  type (line: string): void
  kill (signal: NodeJS.Signals): void
}

export function startCommand (t: Test, file: string, args: string[], options: SpawnOptionsWithoutStdio = {}): Command {
  const child = spawn(file, args, options)
  const command = new SpawnedCommand(child, [file, ...args].join(' '))
  t.teardown(async () => {
    command.kill('SIGKILL')
    await command.ended
  })
  return command
}

/** Starts a program that says on stderr what a test waits for: `stdout` holds both of its outputs. */
export function startCommandWithOneOutput (t: Test, file: string, args: string[]): Command {
  return startCommand(t, '/bin/sh', ['-c', 'exec "$0" "$@" 2>&1', file, ...args])
}

/** Runs a program to its end, which must be a success, and gives what it wrote to stdout. */
export async function runCommand (t: Test, file: string, args: string[], options: SpawnOptionsWithoutStdio = {}): Promise<string> {
  const command = startCommand(t, file, args, options)
  const end = await command.ended
  if (end !== 0) throw new Error(`${[file, ...args].join(' ')} ended with ${end}:\n${command.stdout}${command.stderr}`)
  return command.stdout
}

class SpawnedCommand implements Command {
  stdout = ''
  stderr = ''
  readonly ended: Promise<number | NodeJS.Signals>
  readonly #child: ChildProcess
  readonly #name: string

  constructor (child: ChildProcess, name: string) {
    this.#child = child
    this.#name = name
    this.ended = once(child, 'close').then(([code, signal]) => code ?? signal)
    this.ended.catch(() => {}) // A program that cannot be started is reported to whoever waits for it.
    child.stdout!.setEncoding('utf8').on('data', text => { this.stdout += text })
    child.stderr!.setEncoding('utf8').on('data', text => { this.stderr += text })
    child.stdin!.on('error', () => {}) // It ended before it read all; its exit code says more.
  }

  get pid (): number {
    return this.#child.pid!
  }

  async output (pattern: RegExp): Promise<RegExpExecArray> {
    while (true) {
      const match = pattern.exec(this.stdout)
      if (match !== null) return match
      const end = await Promise.race([this.ended, once(this.#child.stdout!, 'data').then(() => undefined)])
      if (end !== undefined && !pattern.test(this.stdout)) {
        throw new Error(`${this.#name} ended with ${end} before it wrote ${pattern}:\n${this.stdout}${this.stderr}`)
      }
    }
  }

  type (line: string): void {
    this.#child.stdin!.write(`${line}\n`)
  }

  kill (signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }
}

/** Whether there is a process. */
export function isAlive (pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
