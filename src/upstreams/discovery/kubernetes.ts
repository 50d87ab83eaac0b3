import { readFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { isIPv6 } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { Type, type Static, type TSchema } from '@sinclair/typebox'
import { OptionsInvalidError } from '../../errors.js'
import { withDefaults } from '../../options/defaults.js'
import { KubernetesOptions } from '../../options/index.js'
import { problems } from '../../options/validate.js'
import { Metadata, nullable, Slice, SliceTargets, type SliceQuery } from './endpoint-slices.js'
import { get, linesOf, reasonOf, shownUrl, textOf } from './http-request.js'
import { sourceBy, type Lists, type SourceContext, type TargetSource } from './source.js'

/** Bytes that a page of a list, or an event, may have. */
const LIMIT = 16 * 1_048_576
/** The same of a response that says what is wrong. */
const STATUS_LIMIT = 65_536
/** Slices a page. One has up to 100 endpoints, unless the cluster is told otherwise. */
const PAGE = '100'
/** Milliseconds. */
const LONGEST_DELAY = 30_000
/** The status that says that what was asked for is too old: there has to be a new list. */
const GONE = 410
/** A name that may be part of the path of a request. */
const NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/** Milliseconds. */
export interface Times {
  /** From the first failure to the next try; after each further one it is twice as long. */
  delay: number
  /** How long the server is to serve a watch. */
  life: number
  /** How much longer than that nothing may come before a connection counts as dead. */
  grace: number
  /** How long a page of a list may take. */
  list: number
}

const TIMES: Times = { delay: 1_000, life: 240_000, grace: 30_000, list: 10_000 }

const SliceList = Type.Object({
  metadata: Type.Object({ resourceVersion: Type.String(), continue: nullable(Type.String()) }),
  items: nullable(Type.Array(Slice))
})
const Status = Type.Object({ code: nullable(Type.Integer()), message: nullable(Type.String()) })
const Event = Type.Union([
  Type.Object({ type: Type.Union([Type.Literal('ADDED'), Type.Literal('MODIFIED')]), object: Slice }),
  Type.Object({ type: Type.Literal('DELETED'), object: Type.Object({ metadata: Metadata }) }),
  Type.Object({ type: Type.Literal('BOOKMARK'), object: Type.Object({ metadata: Type.Object({ resourceVersion: Type.String() }) }) }),
  Type.Object({ type: Type.Literal('ERROR'), object: Status })
])

/** There are no events from the version on that was asked for. */
class GoneError extends Error {}

/**
 * The targets that the EndpointSlices of a Kubernetes Service give. They are listed once and then watched; there is a
 * list when the targets have changed. After a failure they are listed again; until then, those before stay.
 *
 * @param times For tests.
 * @throws {OptionsInvalidError} for an invalid name of a Service or a namespace, or an invalid URL.
 */
export function kubernetesSource (options: KubernetesOptions, times: Partial<Times> = {}): TargetSource {
  const query = withDefaults(KubernetesOptions, options, ['serviceAccount'])
  const { service, namespace, api } = query
  const where = `The targets of the Kubernetes Service '${service}'`
  for (const name of [service, namespace]) {
    if (name !== undefined && !NAME.test(name)) throw new OptionsInvalidError(where, `'${name}' is not a valid name of a Service or a namespace: these have lower-case letters, digits and hyphens`)
  }
  if (api !== undefined && !URL.canParse(api)) throw new OptionsInvalidError(where, "option 'api' is not a valid URL; write it as in https://10.96.0.1:443")
  return sourceBy(context => listsOf(query, { ...TIMES, ...times }, context))
}

async function * listsOf (query: SliceQuery, times: Times, { signal, report }: SourceContext): Lists {
  const slices = new Slices(query, times, signal)
  const targets = new SliceTargets(query, report)
  /** In a row. */
  let failures = 0
  while (!signal.aborted) {
    try {
      for await (const isProven of slices.changes()) {
        if (isProven) failures = 0
        const list = targets.changed([...slices.all.values()], slices.name, slices.namespace!)
        if (list !== undefined) yield list
      }
    } catch (error) {
      if (signal.aborted) return
      // It is usual after a while without a connection; where a new list does not help, it is a failure.
      if (failures++ === 0 && error instanceof GoneError) continue
      report(new Error(`the endpoints of ${slices.name} could not be determined: ${reasonOf(error)}`))
      await wait(spread(Math.min(times.delay * 2 ** (failures - 1), LONGEST_DELAY)), undefined, { signal, ref: false }).catch(() => {})
    }
  }
}

/** About so many milliseconds, so that not all gateways of a cluster ask at once. */
function spread (milliseconds: number): number {
  return milliseconds * (0.8 + Math.random() * 0.4)
}

/** The EndpointSlices of a Service, as the API server has them. */
class Slices {
  /** By their names. */
  all = new Map<string, Slice>()
  namespace: string | undefined
  readonly #query: SliceQuery
  readonly #times: Times
  readonly #signal: AbortSignal
  /** From where a watch goes on. */
  #version = ''

  constructor (query: SliceQuery, times: Times, signal: AbortSignal) {
    this.#query = query
    this.#times = times
    this.#signal = signal
    this.namespace = query.namespace
  }

  /** What is asked for, and where. */
  get name (): string {
    const { service, api } = this.#query
    const place = this.namespace === undefined ? '' : ` in the namespace '${this.namespace}'`
    return `the Kubernetes Service '${service}'${place}${api === undefined ? '' : ` at ${shownUrl(new URL(api))}`}`
  }

  /**
   * Lists and then watches them.
   *
   * @returns Something after the list and after each event: whether it proves that watching works. There is no end.
   * @throws {GoneError} when they have to be listed again, and {Error} for whatever goes wrong.
   */
  async * changes (): AsyncGenerator<boolean, never, undefined> {
    await this.#list()
    yield false
    for (;;) {
      const begin = performance.now()
      let events = 0
      for await (const event of this.#watch()) {
        events++
        this.#apply(event)
        yield true
      }
      const isShort = performance.now() - begin < this.#times.delay
      if (isShort && events === 0) throw new Error('the API server ended the watch at once')
      if (isShort) await wait(spread(this.#times.delay), undefined, { signal: this.#signal, ref: false })
      else yield true
    }
  }

  async #list (): Promise<void> {
    this.namespace = this.#query.namespace ?? await this.#read('namespace', "; or give 'namespace'")
    const all = new Map<string, Slice>()
    let next: string | null | undefined
    do {
      const response = await this.#get({ limit: PAGE, ...(next && { continue: next }) }, { timeout: this.#times.list })
      const { metadata, items } = parsed(SliceList, await textOf(response, LIMIT), 'the list')
      for (const slice of items ?? []) all.set(slice.metadata.name, slice)
      this.#version = metadata.resourceVersion
      next = metadata.continue
    } while (next)
    this.all = all
  }

  /** The events from the version on that is known. */
  async * #watch (): AsyncGenerator<Static<typeof Event>, void, undefined> {
    const life = spread(this.#times.life)
    const parameters = { watch: '1', resourceVersion: this.#version, allowWatchBookmarks: 'true', timeoutSeconds: String(Math.ceil(life / 1_000)) }
    const response = await this.#get(parameters, { idle: Math.ceil(life + this.#times.grace) })
    for await (const line of linesOf(response, LIMIT)) yield parsed(Event, line, 'an event')
  }

  #apply ({ type, object }: Static<typeof Event>): void {
    if (type === 'ERROR') throw this.#refusal(object.code ?? 0, object.message ?? 'an error without a message')
    this.#version = object.metadata.resourceVersion
    if (type === 'BOOKMARK') return
    if (type === 'DELETED') this.all.delete(object.metadata.name)
    else this.all.set(object.metadata.name, object)
  }

  async #get (parameters: Record<string, string>, limits: { timeout: number } | { idle: number }): Promise<IncomingMessage> {
    const url = this.#url(parameters)
    const isSecure = url.protocol === 'https:'
    // They are replaced while the gateway runs.
    const token = await this.#read('token').catch((error: Error) => {
      if (!isSecure && (error.cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    })
    const ca = isSecure ? await this.#read('ca.crt') : undefined
    const headers = { Accept: 'application/json', 'User-Agent': 'sluice', ...(token !== undefined && { Authorization: `Bearer ${token}` }) }
    const response = await get(url, { headers, ca, signal: this.#signal, ...limits })
    if (response.statusCode === 200) return response
    throw this.#refusal(response.statusCode!, await textOf(response, STATUS_LIMIT).then(messageIn, () => ''))
  }

  #url (parameters: Record<string, string>): URL {
    const url = new URL(this.#query.api ?? clusterApi())
    const base = url.pathname === '/' ? '' : url.pathname.replace(/\/$/, '')
    url.pathname = `${base}/apis/discovery.k8s.io/v1/namespaces/${encodeURIComponent(this.namespace!)}/endpointslices`
    url.search = String(new URLSearchParams({ labelSelector: `kubernetes.io/service-name=${this.#query.service}`, ...parameters }))
    url.hash = ''
    return url
  }

  async #read (name: string, alternative = ''): Promise<string> {
    const file = join(this.#query.serviceAccount, name)
    try {
      return (await readFile(file, 'utf8')).trim()
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      throw new Error(`the file '${file}' cannot be read (${code}); run the gateway in a pod with a service account, or name its folder in 'serviceAccount'${alternative}`, { cause: error })
    }
  }

  #refusal (status: number, message: string): Error {
    const text = `status ${status}${message === '' ? '' : `, ${message}`}`
    if (status === GONE) return new GoneError(text)
    if (status === 401 || status === 403) {
      return new Error(`the service account may not list and watch endpointslices.discovery.k8s.io in the namespace '${this.namespace}'; give it a Role with the verbs list and watch for them (${text})`)
    }
    if (status === 404) return new Error(`the API server has no discovery.k8s.io/v1, which needs Kubernetes 1.21 or later (${text})`)
    return new Error(`the API server responded with ${text}`)
  }
}

/** The URL of the API server, as pods are told it. */
function clusterApi (): string {
  const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '443' } = process.env
  if (host === '') throw new Error("KUBERNETES_SERVICE_HOST is not set; run the gateway in a pod, or give the URL of the API server in 'api'")
  return `https://${isIPv6(host) ? `[${host}]` : host}:${port}`
}

/** @throws {Error} naming what it is, and what is wrong with it. */
function parsed<Schema extends TSchema> (schema: Schema, text: string, what: string): Static<Schema> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new Error(`${what} is not valid JSON: ${(error as Error).message}`)
  }
  const [problem] = problems(schema, value)
  if (problem === undefined) return value as Static<Schema>
  throw new Error(`${what} is not as in discovery.k8s.io/v1: ${problem.path.join('.')} ${problem.message}`)
}

/** What a response says that is not a good one, which need not come from the API server itself. */
function messageIn (text: string): string {
  try {
    return parsed(Status, text, 'it').message ?? ''
  } catch {
    return ''
  }
}
