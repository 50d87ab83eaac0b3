import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** What a program of test/soak/programs can be asked, by name. */
export type Responses = Record<string, (argument: never) => unknown>

/** Serves a program's parent until it lets go; then the process has nothing left to live for. */
export function serve (answers: Responses): void {
  process.on('message', ({ id, name, argument }: { id: number, name: string, argument: never }) => {
    Promise.resolve(answers[name]!(argument)).then(answer => process.send!({ id, answer }), error => { throw error })
  })
}

/** A program of test/soak/programs in a process of its own. */
export class Program<Served extends Responses> {
  readonly process: ChildProcess
  readonly #waiting = new Map<number, (answer: never) => void>()
  #asked = 0

  constructor (name: string, t: { teardown (fn: () => unknown): void }) {
    const path = fileURLToPath(new URL(`programs/${name}.ts`, import.meta.url))
    this.process = fork(path, { execArgv: ['--import=tsx', '--expose-gc'] })
    t.teardown(() => { this.process.kill('SIGKILL') })
    this.process.on('message', ({ id, answer }: { id: number, answer: never }) => {
      this.#waiting.get(id)!(answer)
      this.#waiting.delete(id)
    })
  }

  ask <Name extends keyof Served & string>(name: Name, argument?: Parameters<Served[Name]>[0]): Promise<Awaited<ReturnType<Served[Name]>>> {
    const id = this.#asked++
    return new Promise((resolve, reject) => {
      const gone = (code: number | null, signal: string | null): void => reject(new Error(`the program is gone: ${code ?? signal}`))
      this.process.once('exit', gone)
      this.#waiting.set(id, answer => {
        this.process.off('exit', gone)
        resolve(answer)
      })
      this.process.send({ id, name, argument })
    })
  }

  /** Lets go of it, and gives its exit code. */
  async over (): Promise<number | null> {
    const exited = once(this.process, 'exit')
    this.process.disconnect()
    const [code] = await exited as [number | null]
    return code
  }
}

/** Does a task so many times, some at a time. */
export async function times (count: number, atATime: number, task: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  const work = async (): Promise<void> => { while (next < count) await task(next++) }
  await Promise.all(Array.from({ length: Math.min(atATime, count) }, work))
}
