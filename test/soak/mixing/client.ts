import { once } from 'node:events'
import { Agent, request, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import { dial, type Address } from '../addresses.js'
import { readBody, writeBody } from './bodies.js'
import type { Leg, Plan } from './plan.js'
import { talk, type TalkOutcome } from './talk.js'

/** The connections of the clients to a listener, used again for further requests. */
class ListenerAgent extends Agent {
  readonly #address: Address

  constructor (address: Address) {
    super({ keepAlive: true })
    this.#address = address
  }

  // Node calls it for every new connection; it may as well be over TLS or to a Unix socket.
  override createConnection (): Socket {
    return dial(this.#address)
  }
}

export interface Exchanged { bytes: number, fault?: string | undefined }

/** The clients of the mixing test. */
export class MixingClients {
  readonly #addresses: Record<Leg, Address>
  readonly #agents: Record<Leg, ListenerAgent>

  constructor (addresses: Record<Leg, Address>) {
    this.#addresses = addresses
    this.#agents = { tcp: new ListenerAgent(addresses.tcp), tls: new ListenerAgent(addresses.tls), unix: new ListenerAgent(addresses.unix) }
  }

  /** A request with its response. */
  async exchange (plan: Plan): Promise<Exchanged> {
    const { number, kind, path, parts: { client }, ending } = plan
    const place = `exchange ${number} (${kind} from ${plan.from} to ${plan.to}, ${JSON.stringify(ending)})`
    const until = ending?.by === 'client' ? ending.at : Infinity
    const headers: Record<string, string | number> = kind === 'download' ? {} : client.sized ? { 'content-length': client.size } : { 'transfer-encoding': 'chunked' }
    const sent = request({ agent: this.#agents[plan.from], path, method: kind === 'download' ? 'GET' : 'POST', headers, host: 'gateway.test' })
    let error: NodeJS.ErrnoException | undefined
    sent.on('error', reason => { error ??= reason })
    const closed = once(sent, 'close').catch(() => {})
    const answered = once(sent, 'response').then(([response]) => response as IncomingMessage, () => undefined)
    const uploading = kind === 'download' ? Promise.resolve(true) : writeBody(plan, 'client', sent, kind === 'upload' ? until : Infinity)
    const finished = uploading.then(all => {
      if (all) sent.end()
      else sent.destroy()
    })
    const response = await Promise.race([answered, closed.then(() => answered)])
    if (response === undefined) {
      await closed
      return { bytes: 0, fault: ending === undefined ? `${place}: no response (${error?.message ?? 'no error'}; ${sent.reusedSocket ? 'on a connection used before' : 'on a new connection'})` : undefined }
    }
    response.on('error', () => {})
    if (kind === 'upload') {
      const text = (await response.toArray().catch(() => [])).join('')
      const right = response.statusCode === 200 && text === 'all of it'
      // One that does not wait for the end of the body says that nobody wants the rest.
      if (right) await finished
      else sent.destroy()
      return { bytes: 0, fault: ending === undefined && !right ? `${place}: got ${response.statusCode} ${text}` : undefined }
    }
    if (response.statusCode !== 200) {
      const text = (await response.toArray().catch(() => [])).join('')
      sent.destroy()
      return { bytes: 0, fault: ending === undefined ? `${place}: got ${response.statusCode} ${text.slice(0, 200)}` : undefined }
    }
    const { bytes, fault, whole } = await readBody(plan, 'target', response, until)
    if (!whole) sent.destroy()
    await Promise.race([finished, closed])
    return { bytes, fault: fault ?? (ending === undefined && !whole ? `${place}: broken off after ${bytes} bytes of ${plan.parts.target.size}` : undefined) }
  }

  /** A session; undefined where there was none. */
  async session (plan: Plan): Promise<TalkOutcome | undefined> {
    const connection = dial(this.#addresses[plan.from])
    const socket = new WebSocket(`ws://gateway.test${plan.path}`, { createConnection: () => connection, perMessageDeflate: false, maxPayload: 0 })
    // Messages may come right behind the 101.
    return await new Promise((resolve, reject) => {
      socket.once('open', () => { talk(plan, 'client', socket, connection).then(resolve, reject) })
      socket.once('error', () => resolve(undefined))
    })
  }

  /** Lets go of all connections. */
  close (): void {
    for (const agent of Object.values(this.#agents)) agent.destroy()
  }
}
