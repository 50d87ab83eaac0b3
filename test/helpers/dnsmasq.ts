import { writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { startCommandWithOneOutput, type Command } from './command.js'
import { freePort } from './raw-target.js'
import { temporaryFolder } from './temporary-folder.js'

/** Debian's own; not on the PATH of everyone. */
const DNSMASQ = '/usr/sbin/dnsmasq'

/** A DNS server that knows of names in `test` and refuses to resolve others. */
export interface Dnsmasq {
  /** Its address, as the option `servers` has it. */
  readonly servers: string[]
  /** Waits until it has been asked that many further times. */
  queries (count: number): Promise<void>
  /** Puts other addresses in the place of those that it has: lines as in /etc/hosts. */
  setHosts (lines: readonly string[]): Promise<void>
  stop (): Promise<void>
  /** Starts it again, at the same port. */
  start (options?: readonly string[]): Promise<void>
}

/**
 * Starts a dnsmasq.
 *
 * @param hosts Lines as in /etc/hosts. Their TTL is 0.
 * @param options Further ones of its command line, such as --srv-host.
 */
export async function startDnsmasq (t: Test, hosts: readonly string[], options: readonly string[] = []): Promise<Dnsmasq> {
  const folder = await temporaryFolder(t)
  // It takes no port 0: that turns the DNS off.
  const server = new RunningDnsmasq(t, join(folder, 'hosts'), await freePort())
  await writeFile(server.file, text(hosts))
  await server.start(options)
  return server
}

class RunningDnsmasq implements Dnsmasq {
  readonly file: string
  readonly servers: string[]
  readonly #t: Test
  readonly #port: number
  #command!: Command
  #options: readonly string[] = []
  /** How often it has read the file. */
  #reads = 0

  constructor (t: Test, file: string, port: number) {
    this.#t = t
    this.file = file
    this.#port = port
    this.servers = [`127.0.0.1:${port}`]
  }

  async start (options = this.#options): Promise<void> {
    this.#options = options
    this.#command = startCommandWithOneOutput(this.#t, DNSMASQ, [
      '--no-daemon', '--conf-file=/dev/null', '--no-resolv', '--no-hosts', '--pid-file=', `--user=${userInfo().username}`,
      `--port=${this.#port}`, '--listen-address=127.0.0.1', '--bind-interfaces',
      '--local=/test/', `--addn-hosts=${this.file}`, '--log-queries', ...options
    ])
    this.#reads = 0
    await this.#read()
  }

  async setHosts (lines: readonly string[]): Promise<void> {
    await writeFile(this.file, text(lines))
    this.#command.kill('SIGHUP')
    await this.#read()
  }

  async #read (): Promise<void> {
    await this.#command.output(times(++this.#reads, ': read [^\\n]* names'))
  }

  async queries (count: number): Promise<void> {
    const before = this.#command.stdout.match(/: query\[/g)?.length ?? 0
    await this.#command.output(times(before + count, ': query\\['))
  }

  async stop (): Promise<void> {
    this.#command.kill('SIGTERM')
    await this.#command.ended
  }
}

function text (lines: readonly string[]): string {
  return lines.map(line => `${line}\n`).join('')
}

/** Matches text with the pattern in it that many times. There is one way only to match it, which is found at once. */
function times (count: number, pattern: string): RegExp {
  return new RegExp(`^(?:(?:(?!${pattern})[^])*${pattern}){${count}}`)
}
