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

/** A request under way. */
export interface Exchange {
  /**
   * The target's answer, as soon as its head is there. It rejects with
   * {TargetUnreachableError} when the connection cannot be made or breaks before an answer,
   * {TargetTimeoutError} when there is no head in time, and
   * {TargetAnswerInvalidError} when what comes is not HTTP.
   */
  answer: Promise<Answer>
  /** Cancels the request, at any stage. Afterwards it does nothing. */
  cancel (): void
}

/** Sends a request to a target. */
export function forward ({ pool, servername }: Target, request: ForwardedRequest): Exchange {
  let abort: ((reason?: Error) => void) | undefined
  let over = false
  let cancelled = false
  const answer = new Promise<Answer>((resolve, reject) => {
    let body: AnswerBody | undefined
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
        if (cancelled) abort(new Error('cancelled'))
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
        over = true
        body!.complete = true
        body!.push(null)
      },
      onError (error) {
        over = true
        request.body?.destroy()
        if (body === undefined) {
          reject(asGatewayError(error))
        } else {
          body.complete = true
          body.destroy(asGatewayError(error))
        }
      }
    })
  })
  return {
    answer,
    cancel () {
      if (over || cancelled) return
      cancelled = true
      abort?.(new Error('cancelled'))
    }
  }
}

/** What a client is told of an error of undici's. The error itself becomes the cause, for the log. */
function asGatewayError (cause: Error): Error {
  // It says already what the client is told: a body that stood still, or that a hook could not decode.
  if ('statusCode' in cause) return cause
  if (cause instanceof errors.HeadersTimeoutError || cause instanceof errors.BodyTimeoutError) return new TargetTimeoutError({ cause })
  if (cause instanceof errors.HTTPParserError || cause instanceof errors.HeadersOverflowError) return new TargetAnswerInvalidError({ cause })
  return new TargetUnreachableError({ cause })
}
