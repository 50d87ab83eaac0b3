import { setTimeout as wait } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { OptionsInvalidError } from '../../errors.js'
import { isHeaderValue, isToken } from '../../message/headers.js'
import { withDefaults } from '../../options/defaults.js'
import { HttpTargetsOptions, type TargetOptions } from '../../options/index.js'
import { get, reasonOf, shownUrl, textOf } from './http-request.js'
import { sourceBy, type Lists, type SourceContext, type TargetSource } from './source.js'
import { targetsIn } from './target-list.js'

/** Bytes that a document may have. */
const LIMIT = 1_048_576
/** Milliseconds that a response may take, which is else the time from one request to the next. */
const LONGEST = 5_000
const SHORTEST = 1_000

/**
 * The targets in a JSON document at a URL, which is an array of them. It is asked for again and again; there is a list
 * when they have changed.
 *
 * @throws {OptionsInvalidError} for an invalid URL or header.
 */
export function httpSource (options: HttpTargetsOptions): TargetSource {
  const { url: text, refresh, headers = {} } = withDefaults(HttpTargetsOptions, options, ['refresh'])
  const url = URL.canParse(text) ? new URL(text) : undefined
  // The text may have credentials in it.
  if (url === undefined) throw new OptionsInvalidError('The URL of a list of targets', 'it is not a valid URL; write it as in https://registry.example/targets.json')
  for (const [name, value] of Object.entries(headers)) {
    if (!isToken(name) || !isHeaderValue(value)) throw new OptionsInvalidError(`The request for '${shownUrl(url)}'`, `'${name}' is not a valid header`)
  }
  return sourceBy(context => listsAt(new Document(url, headers, refresh), refresh, context))
}

async function * listsAt (document: Document, refresh: number, { signal, report }: SourceContext): Lists {
  let last: readonly TargetOptions[] | undefined
  while (!signal.aborted) {
    const next = performance.now() + refresh
    const targets = await document.read(signal).catch((error: Error) => error)
    if (signal.aborted) return
    if (targets instanceof Error) report(targets)
    else if (targets !== undefined && !isDeepStrictEqual(targets, last)) yield (last = targets)
    await wait(Math.max(next - performance.now(), 0), undefined, { signal, ref: false }).catch(() => {})
  }
}

/** A list of targets at a URL. */
class Document {
  readonly #url: URL
  readonly #headers: Readonly<Record<string, string>>
  readonly #timeout: number
  /** That of the last good list: a bad one that stays is to be reported each time. */
  #etag: string | undefined

  constructor (url: URL, headers: Readonly<Record<string, string>>, refresh: number) {
    this.#url = url
    this.#headers = { Accept: 'application/json', 'User-Agent': 'sluice', ...headers }
    this.#timeout = Math.max(Math.min(refresh, LONGEST), SHORTEST)
  }

  /**
   * Asks for it.
   *
   * @returns Undefined when it is the one before.
   * @throws {Error} naming the URL, and what is wrong.
   */
  async read (signal: AbortSignal): Promise<readonly TargetOptions[] | undefined> {
    try {
      return await this.#read(signal)
    } catch (error) {
      throw new Error(`the targets at '${shownUrl(this.#url)}' could not be determined: ${reasonOf(error)}`)
    }
  }

  async #read (signal: AbortSignal): Promise<readonly TargetOptions[] | undefined> {
    const condition = this.#etag === undefined ? {} : { 'If-None-Match': this.#etag }
    const response = await get(this.#url, { headers: { ...this.#headers, ...condition }, signal, timeout: this.#timeout })
    const { statusCode, headers: { etag, location } } = response
    if (statusCode !== 200) {
      response.destroy()
      if (statusCode === 304 && this.#etag !== undefined) return undefined
      const isRedirect = statusCode! >= 300 && statusCode! < 400 && location !== undefined
      throw new Error(`it responded with status ${statusCode}${isRedirect ? this.#redirection(location) : ''}`)
    }
    const targets = targetsIn(await textOf(response, LIMIT))
    this.#etag = etag
    return targets
  }

  #redirection (location: string): string {
    const to = URL.canParse(location, this.#url.href) ? `'${shownUrl(new URL(location, this.#url))}'` : 'an invalid URL'
    return ` to ${to}, and redirects are not followed; give the URL of the list itself`
  }
}
