import { closeSync, openSync, writeSync } from 'node:fs'

/** Where log lines go: process.stdout, usually. */
export interface LogOutput {
  write (text: string): unknown
  /** Whether it is a terminal. */
  isTTY?: boolean | undefined
}

/** Characters that are written before a turn of the event loop is over. */
const MOST = 65_536
/** Bytes that go to a pipe as a whole, whoever else writes to it (PIPE_BUF of POSIX, in Linux). */
const MOST_AT_ONCE = 4_096

/**
 * Gathers the lines of a turn of the event loop into one write, so that a busy service does not make one for each line.
 * An idle one writes at the end of the turn; nothing waits for a timer.
 */
export class LogLines {
  readonly #output: LogOutput
  readonly #format: LineFormat | undefined
  readonly #isShared: boolean
  #text = ''
  #scheduled = false

  /**
   * @param format Default: lines stay as they are.
   * @param isShared Whether other processes write to the same pipe, so that lines must not be written in parts.
   */
  constructor (output: LogOutput, format?: LineFormat, isShared = false) {
    this.#output = output
    this.#isShared = isShared
    this.#format = format
    process.on('exit', this.flush)
  }

  /** Whether lines are JSON. */
  get isJson (): boolean {
    return this.#format === undefined
  }

  write (line: string): void {
    this.#text += this.#format === undefined ? line : this.#format(line)
    if (this.#text.length >= MOST) return this.flush()
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.flush)
  }

  /** Writes what has been gathered. */
  readonly flush = (): void => {
    this.#scheduled = false
    if (this.#text === '') return
    const text = this.#text
    this.#text = ''
    if (this.#isShared) for (const part of wholeLines(text)) this.#output.write(part)
    else this.#output.write(text)
  }

  /** Writes what has been gathered, and is not needed any more. */
  close (): void {
    this.flush()
    process.off('exit', this.flush)
  }
}

/** Lines in parts that are short enough for a pipe; a line that is longer by itself is a part of its own. */
export function * wholeLines (text: string): Iterable<string> {
  let part = ''
  let bytes = 0
  for (const line of text.split(/(?<=\n)/)) {
    const length = Buffer.byteLength(line)
    if (bytes > 0 && bytes + length > MOST_AT_ONCE) {
      yield part
      part = ''
      bytes = 0
    }
    part += line
    bytes += length
  }
  if (part !== '') yield part
}

/** Makes a line for people of one that is JSON. */
export type LineFormat = (line: string) => string

/** A file to which lines are appended. Nothing that happens to it ends the process. */
export class LogFile implements LogOutput {
  readonly #path: string
  readonly #format: LineFormat
  #fd: number
  #lost = 0
  #reason = ''

  /**
   * @param format That of the lines. Default: they are JSON.
   * @throws Node's error when it cannot be opened.
   */
  constructor (path: string, format: LineFormat = line => line) {
    this.#path = path
    this.#format = format
    this.#fd = openSync(path, 'a')
  }

  write (text: string): void {
    try {
      // What was lost is reported before anything else is written.
      if (this.#lost > 0) {
        writeAll(this.#fd, this.#format(`${JSON.stringify({ level: 50, time: Date.now(), pid: process.pid, msg: `${this.#lost} line(s) of the log were lost: ${this.#reason}` })}\n`))
        this.#lost = 0
      }
      writeAll(this.#fd, text)
    } catch (error) {
      this.#reason = (error as Error).message
      this.#lost += text.split('\n').length - 1
    }
  }

  /**
   * Opens the file anew, after it was renamed or removed.
   *
   * @throws Node's error when it cannot be opened; then lines go where they went before.
   */
  reopen (): void {
    const before = this.#fd
    this.#fd = openSync(this.#path, 'a')
    close(before)
  }

  close (): void {
    const before = this.#fd
    // What comes later must not go to a file that gets this descriptor.
    this.#fd = -1
    close(before)
  }
}

function close (fd: number): void {
  try {
    closeSync(fd)
  } catch {
    // Somebody has closed it already.
  }
}

/** A disk that becomes full may take a part. */
function writeAll (fd: number, text: string): void {
  let rest: Buffer = Buffer.from(text)
  while (rest.length > 0) rest = rest.subarray(writeSync(fd, rest))
}
