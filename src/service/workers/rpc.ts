import { explainFailure } from '../failures.js'
import { RemoteError, type Failed } from './remote-error.js'

/** What two processes exchange messages through: a worker of node:cluster, which stands in either process for the other. */
export interface MessageChannel {
  send (message: never): unknown
  on (event: 'message', listener: (message: unknown) => void): unknown
  /** Whether messages still arrive at the other end. */
  isConnected (): boolean
}

type Handlers = { readonly [method: string]: (...parameters: never[]) => unknown }

/** Calls between two processes. Each end has the other one's methods as `Remote`. */
export class Rpc<Remote extends Handlers> {
  readonly #channel: MessageChannel
  readonly #handlers: Handlers
  readonly #pending = new Map<number, { resolve: (result: never) => void, reject: (error: Error) => void }>()
  #next = 0
  #closed: Error | undefined

  /** @param handlers What the other end may call. */
  constructor (channel: MessageChannel, handlers: Handlers) {
    this.#channel = channel
    this.#handlers = handlers
    channel.on('message', message => this.#onMessage(message))
  }

  /**
   * Calls a method of the other end.
   *
   * @throws {RemoteError} for what it throws there.
   * @throws {Error} when the other process ends before it has responded.
   */
  call<Name extends keyof Remote & string> (method: Name, ...parameters: Parameters<Remote[Name]>): Promise<Awaited<ReturnType<Remote[Name]>>> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined || !this.#channel.isConnected()) return reject(this.#closed ?? new Error('The other process has gone.'))
      const id = this.#next++
      this.#pending.set(id, { resolve, reject })
      this.#send({ id, method, parameters })
    })
  }

  /** The other process has gone: nothing that it was asked is responded to. */
  close (reason: Error): void {
    this.#closed = reason
    for (const { reject } of this.#pending.values()) reject(reason)
    this.#pending.clear()
  }

  #send (message: object): void {
    // Whoever goes meanwhile is noticed by the end of its process.
    if (this.#channel.isConnected()) this.#channel.send({ sluice: message } as never)
  }

  #onMessage (received: unknown): void {
    // node:cluster, and plugins, have messages of their own.
    const message = (received as { sluice?: { id: number, method?: string, parameters: never[], error?: Failed, result: never } } | null)?.sluice
    if (message === undefined) return
    const { id, method } = message
    if (method === undefined) {
      const pending = this.#pending.get(id)
      this.#pending.delete(id)
      if (message.error === undefined) pending?.resolve(message.result)
      else pending?.reject(new RemoteError(message.error))
      return
    }
    // In a promise, for a handler that throws at once.
    Promise.resolve().then(() => this.#handlers[method]!(...message.parameters)).then(
      result => this.#send({ id, result }),
      error => this.#send({ id, error: failed(error) })
    )
  }
}

/** Classes of errors do not survive the way. */
function failed (error: unknown): Failed {
  const { message = String(error), code, statusCode } = error as Partial<Failed>
  return { message, code, statusCode, text: explainFailure(error).text }
}
