import { request as plainRequest, type IncomingMessage } from 'node:http'
import { request as secureRequest } from 'node:https'

const NEWLINE = 0x0a

/** How a source asks for something. */
export interface RequestPlan {
  headers: Readonly<Record<string, string>>
  /** PEM text of the authorities that may have signed the server's certificate. Default: those of Node. */
  ca?: string | undefined
  /** Ends it, at whatever point it is. */
  signal: AbortSignal
  /** Milliseconds until the response must have ended. */
  timeout?: number
  /** Milliseconds for which nothing may come. */
  idle?: number
}

/**
 * Makes a GET request, on a connection of its own: one that was kept may have broken in silence.
 *
 * @returns The response, which must be read to its end or destroyed. Reading it fails when a limit is exceeded.
 */
export function get (url: URL, { headers, ca, signal, timeout, idle }: RequestPlan): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    // It throws for an invalid header or certificate.
    const request = (url.protocol === 'https:' ? secureRequest : plainRequest)(url, { agent: false, headers, ca, timeout: idle })
    let response: IncomingMessage | undefined
    const giveUp = (error: Error): void => { (response ?? request).destroy(error) }
    const onAbort = (): void => giveUp(signal.reason)
    const timer = timeout === undefined ? undefined : setTimeout(() => giveUp(new Error(`the response has not ended within ${timeout} ms`)), timeout).unref()
    request
      .on('timeout', () => giveUp(new Error(`nothing came for ${idle} ms`)))
      .on('error', reject)
      .on('response', got => {
        // What reads it hears of errors as well; before and after, nobody does.
        response = got.on('error', () => {})
        resolve(got)
      })
      .on('close', () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', onAbort)
      })
    signal.addEventListener('abort', onAbort, { once: true })
    request.end()
  })
}

/**
 * The whole body of a response.
 *
 * @throws {Error} when it is longer than so many bytes.
 */
export async function textOf (response: IncomingMessage, limit: number): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > limit) throw new Error(`the response is longer than ${limit} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/**
 * The lines of a body as they come, without empty ones. They are cut out of bytes, since a chunk may end within a
 * character.
 *
 * @throws {Error} when a line is longer than so many bytes.
 */
export async function * linesOf (response: IncomingMessage, limit: number): AsyncGenerator<string, void, undefined> {
  let parts: Buffer[] = []
  let length = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const line = Buffer.concat([...parts, chunk.subarray(start, end)]).toString()
      parts = []
      length = 0
      start = end + 1
      if (line.trim() !== '') yield line
    }
    parts.push(chunk.subarray(start))
    length += chunk.length - start
    if (length > limit) throw new Error(`a line of the response is longer than ${limit} bytes`)
  }
  const rest = Buffer.concat(parts).toString()
  if (rest.trim() !== '') yield rest
}

/** Why a request failed. Where a name has several addresses and none can be reached, the error has no message. */
export function reasonOf (error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException
  if (message === 'aborted') return 'the connection broke before the end of the response'
  return message || (code ?? String(error))
}

/** A URL for people: credentials and queries, which may be secrets, stay out of the log. */
export function shownUrl ({ origin, pathname }: URL): string {
  return origin + pathname
}
