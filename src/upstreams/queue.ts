import type { Socket } from 'node:net'
import { TargetBusyError } from '../errors.js'

/** Who waits for a target. */
export interface Waiter<Target> {
  readonly kind: 'request' | 'handshake'
  /** Is there while it waits, and ends that. */
  stopWaiting: ((reason: Error) => void) | undefined
  /** Goes to a target, which counts it from now on. */
  choose (target: Target): void
}

/** What a waiter is given a target by. */
export interface Wish<Asking, Target> {
  readonly waiter: Asking
  readonly excluded: ReadonlySet<Target> | undefined
  readonly client: Socket | undefined
}

interface Entry<Asking, Target> extends Wish<Asking, Target> {
  readonly timer: NodeJS.Timeout
  readonly resolve: (target: Target) => void
  readonly giveUp: (reason: Error) => void
}

/** All queues of a gateway in which something waits. */
export class Queues {
  readonly #waiting = new Set<{ serve (): void }>()

  /** A target has less to do, or another state: what waits may go on. */
  serve (): void {
    if (this.#waiting.size > 0) for (const queue of this.#waiting) queue.serve()
  }

  add (queue: { serve (): void }): void {
    this.#waiting.add(queue)
  }

  delete (queue: { serve (): void }): void {
    this.#waiting.delete(queue)
  }
}

/** What waits for a place at the targets of an upstream, first come, first served; requests and handshakes apart. */
export class Queue<Target, Asking extends Waiter<Target>> {
  readonly #queues: Queues
  readonly #limits: { maxQueue: number, queueTimeout: number }
  readonly #find: (wish: Wish<Asking, Target>) => Target | undefined
  readonly #isOrdered: boolean
  readonly #waiting = { request: new Set<Entry<Asking, Target>>(), handshake: new Set<Entry<Asking, Target>>() }

  /**
   * @param find The target for one, where there is a place. What it throws is why there never will be one.
   * @param isOrdered Whether any of them would take any place, so that those behind the first need not be asked.
   */
  constructor (queues: Queues, limits: { maxQueue: number, queueTimeout: number }, find: (wish: Wish<Asking, Target>) => Target | undefined, isOrdered: boolean) {
    this.#queues = queues
    this.#limits = limits
    this.#find = find
    this.#isOrdered = isOrdered
  }

  get size (): number {
    return this.#waiting.request.size + this.#waiting.handshake.size
  }

  /**
   * Waits for a place. When it comes, the target has been chosen already.
   *
   * @throws {TargetBusyError} where too many wait, or none becomes free in time.
   * @throws The reason that `stopWaiting()` is given.
   */
  wait (wish: Wish<Asking, Target>): Promise<Target> {
    const { waiter } = wish
    const waiting = this.#waiting[waiter.kind]
    const { maxQueue, queueTimeout } = this.#limits
    if (waiting.size >= maxQueue) return Promise.reject(new TargetBusyError({ cause: new Error(`all places are taken, and ${maxQueue} others wait for one`) }))
    return new Promise((resolve, reject) => {
      const giveUp = (reason: Error): void => {
        this.#remove(entry)
        reject(reason)
      }
      const timer = setTimeout(() => giveUp(new TargetBusyError({ cause: new Error(`no place became free within ${queueTimeout} ms`) })), queueTimeout).unref()
      const entry = { ...wish, timer, resolve, giveUp }
      waiting.add(entry)
      waiter.stopWaiting = giveUp
      this.#queues.add(this)
    })
  }

  /** Lets those go on for whom there is a place now. */
  serve (): void {
    for (const waiting of [this.#waiting.request, this.#waiting.handshake]) {
      for (const entry of waiting) {
        let target
        try {
          target = this.#find(entry)
        } catch (error) {
          // A function of the app has thrown, and whoever made room must not hear of it.
          entry.giveUp(error as Error)
          continue
        }
        if (target !== undefined) {
          this.#remove(entry)
          entry.waiter.choose(target)
          entry.resolve(target)
        } else if (this.#isOrdered && entry.excluded === undefined) {
          break
        }
      }
    }
  }

  #remove (entry: Entry<Asking, Target>): void {
    const { waiter, timer } = entry
    clearTimeout(timer)
    waiter.stopWaiting = undefined
    this.#waiting[waiter.kind].delete(entry)
    if (this.size === 0) this.#queues.delete(this)
  }
}
