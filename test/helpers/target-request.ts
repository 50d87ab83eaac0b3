import type { ResponseHead } from '../../src/message/response.js'
import type { HeaderList } from '../../src/message/headers.js'
import type { BodySink, TargetExchange, OutgoingBody, TargetRequest } from '../../src/upstreams/http1/target-exchange.js'
import type { Target } from '../../src/upstreams/target.js'

/** What a target has answered. */
export interface TargetResponse extends ResponseHead {
  body: string
  trailers: HeaderList
  interim: ResponseHead[]
}

/** A request that a test sends to a target. */
export interface SentRequest {
  exchange: TargetExchange
  answer: Promise<TargetResponse>
  /** What has happened to its body. */
  body: ChunkBody | undefined
}

/** A body of some texts. It ends when all have been taken, unless it is to be left open. */
export class ChunkBody implements OutgoingBody {
  stopped = false
  sink: BodySink | undefined
  readonly #chunks: string[]
  readonly #open: boolean

  constructor (chunks: string[], open = false) {
    this.#chunks = [...chunks]
    this.#open = open
  }

  /** How many texts have not been taken. */
  get left (): number {
    return this.#chunks.length
  }

  flow (sink: BodySink): void {
    this.sink = sink
    process.nextTick(() => this.resume())
  }

  resume (): void {
    while (!this.stopped) {
      const chunk = this.#chunks.shift()
      if (chunk === undefined) {
        if (!this.#open) this.sink!.onEnd()
        return
      }
      if (!this.sink!.onChunk(Buffer.from(chunk, 'latin1'))) return
    }
  }

  stop (): void {
    this.stopped = true
  }
}

/** Sends a request to a target, a GET of / by default, and collects its response. */
export function sendTo (target: Target, { body: chunks, ...rest }: Partial<Omit<TargetRequest, 'body'>> & { body?: string[] | ChunkBody } = {}): SentRequest {
  const body = Array.isArray(chunks) ? new ChunkBody(chunks) : chunks
  const interim: ResponseHead[] = []
  let head: ResponseHead
  let text = ''
  let resolve!: (answer: TargetResponse) => void
  let reject!: (error: Error) => void
  const answer = new Promise<TargetResponse>((...settle) => { [resolve, reject] = settle })
  const exchange = target.send({ method: 'GET', path: '/', headers: ['Host', 'target.test'], body: body ?? null, ...rest }, {
    onInterim: early => { interim.push(early) },
    onHead: received => { head = received },
    onChunk: chunk => {
      text += chunk.toString('latin1')
      return true
    },
    onEnd: trailers => resolve({ ...head, body: text, trailers, interim }),
    onError: reject
  })
  return { exchange, answer, body }
}
