import { Readable } from 'node:stream'
import { errors, type Dispatcher } from 'undici'
import { TargetAnswerInvalidError, TargetTimeoutError, TargetUnreachableError } from '../errors.js'
import type { Answer } from '../upstreams/answer.js'
import type { HeaderList } from '../upstreams/headers.js'
import type { Target } from '../upstreams/target.js'

/** A request as a target gets it. */
export interface ForwardedRequest {
  method: string
  path: string
  headers: HeaderList
  body: Readable | null
}

/** The body of a target's answer as it comes, with backpressure. Destroying it cancels the request. */
class AnswerBody extends Readable {
  readonly #resume: () => void
  readonly #abort: (reason?: Error) => void
  complete = false

  constructor (resume: () => void, abort: (reason?: Error) => void) {
    super()
    this.#resume = resume
    this.#abort = abort
  }

  override _read (): void {
    this.#resume()
  }

  override _destroy (error: Error | null, callback: (error?: Error | null) => void): void {
    if (!this.complete) this.#abort(error ?? undefined)
    callback(error)
  }
}

/**
 * Sends a request to a target and resolves with its answer as soon as the head is there.
 *
 * @param signal Gives the request up.
 * @throws {TargetUnreachableError} when the connection cannot be made or breaks before an answer.
 * @throws {TargetTimeoutError} when there is no head in time.
 * @throws {TargetAnswerInvalidError} when what comes is not HTTP.
 */
export function forward ({ pool, servername }: Target, request: ForwardedRequest, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let abort: ((reason?: Error) => void) | undefined
    let body: AnswerBody | undefined
    const giveUp = () => abort?.(new Error('given up'))
    signal.addEventListener('abort', giveUp, { once: true })

    const options: Dispatcher.DispatchOptions & { servername: string | undefined } = {
      // Fastify lets no method through that undici does not know.
      method: request.method as Dispatcher.HttpMethod,
      path: request.path,
      headers: request.headers,
      body: request.body,
      servername
    }
    pool.dispatch(options, {
      onConnect (abortRequest) {
        abort = abortRequest
        if (signal.aborted) giveUp()
      },
      onHeaders (status, headers, resume, message) {
        // An interim answer; the real one follows.
        if (status < 200) return true
        body = new AnswerBody(resume, abort!)
        resolve({ status, message, headers: headers.map(item => item.toString('latin1')), body })
        return true
      },
      onData (chunk) {
        return body!.push(chunk)
      },
      onComplete () {
        signal.removeEventListener('abort', giveUp)
        body!.complete = true
        body!.push(null)
      },
      onError (error) {
        signal.removeEventListener('abort', giveUp)
        if (body === undefined) {
          reject(asGatewayError(error))
        } else {
          body.complete = true
          body.destroy(asGatewayError(error))
        }
      }
    })
  })
}

/** What a client is told of an error of undici's. The error itself becomes the cause, for the log. */
function asGatewayError (cause: Error): Error {
  // Ours already: a body that stood still.
  if ('code' in cause && String(cause.code).startsWith('SLUICE_')) return cause
  if (cause instanceof errors.HeadersTimeoutError || cause instanceof errors.BodyTimeoutError) return new TargetTimeoutError({ cause })
  if (cause instanceof errors.HTTPParserError || cause instanceof errors.HeadersOverflowError) return new TargetAnswerInvalidError({ cause })
  return new TargetUnreachableError({ cause })
}
