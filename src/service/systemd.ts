import { execFile, type ExecFileException } from 'node:child_process'

/** Whoever started the service and wants to be told how it is: systemd, or nobody. */
export interface Supervisor {
  /** It serves. The text is what `systemctl status` shows. */
  ready (text: string): void
  /** It is putting another configuration in force, until `reloaded()`. Neither says that it serves, if it does not yet. */
  reloading (): void
  /** It has reloaded, or could not. The text says what has changed, or what is wrong. */
  reloaded (text: string): void
  /** It is stopping, which takes this many milliseconds at most. */
  stopping (limit: number): void
}

/** Milliseconds after which a `systemd-notify` that does not end is killed. It waits 5 s for systemd itself. */
const LONGEST_NOTIFY = 10_000

const NOBODY: Supervisor = { ready () {}, reloading () {}, reloaded () {}, stopping () {} }

/**
 * Speaks the protocol of sd_notify(3) if the environment says that it is wanted. Otherwise nothing is done.
 *
 * @param environment NOTIFY_SOCKET is taken out of it: no process that the service starts is to speak for it.
 */
export function openSupervisor (environment: NodeJS.ProcessEnv, log: { warn (text: string): void }): Supervisor {
  const { NOTIFY_SOCKET: socket, PATH } = environment
  delete environment.NOTIFY_SOCKET
  return socket === undefined || socket === '' ? NOBODY : new Systemd({ NOTIFY_SOCKET: socket, PATH }, log)
}

/** Sends with the program `systemd-notify`: Node.js has no datagram sockets of Unix. */
class Systemd implements Supervisor {
  readonly #environment: NodeJS.ProcessEnv
  readonly #log: { warn (text: string): void }
  /** Each message is a process. One after the other, so that systemd gets them in order. */
  #sent: Promise<void> = Promise.resolve()
  #isReady = false
  #hasFailed = false

  constructor (environment: NodeJS.ProcessEnv, log: { warn (text: string): void }) {
    this.#environment = environment
    this.#log = log
  }

  ready (text: string): void {
    this.#isReady = true
    this.#send('READY=1', statusOf(text))
  }

  reloading (): void {
    if (!this.#isReady) return
    // Type=notify-reload compares the time with that of its signal.
    this.#send('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1_000n}`, statusOf('Reloading the configuration'))
  }

  reloaded (text: string): void {
    if (this.#isReady) this.#send('READY=1', statusOf(text))
  }

  stopping (limit: number): void {
    // A drain may take longer than TimeoutStopSec.
    this.#send('STOPPING=1', `EXTEND_TIMEOUT_USEC=${limit * 1_000}`, statusOf('Stopping'))
  }

  #send (...assignments: string[]): void {
    this.#sent = this.#sent.then(() => new Promise(resolve => {
      execFile('systemd-notify', assignments, { env: this.#environment, timeout: LONGEST_NOTIFY }, (error, _stdout, stderr) => {
        if (error !== null) this.#warn(error, stderr)
        resolve()
      })
    }))
  }

  #warn (error: ExecFileException, stderr: string): void {
    if (this.#hasFailed) return
    this.#hasFailed = true
    this.#log.warn(error.code === 'ENOENT'
      ? "NOTIFY_SOCKET is set, but the program 'systemd-notify' was not found, so systemd will not know when the service is ready. Install the package systemd, or use Type=exec."
      : `systemd could not be told the state of the service: ${stderr.trim() || error.message}. Does the unit have NotifyAccess=all?`)
  }
}

/** A message has a line for each assignment. */
function statusOf (text: string): string {
  return `STATUS=${text.split('\n').join('; ')}`
}
