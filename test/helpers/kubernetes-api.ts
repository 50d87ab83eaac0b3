import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import type { Test } from 'tap'
import { selfSigned } from './certificates.js'
import { Arrivals } from './follow.js'
import { temporaryFolder } from './temporary-folder.js'

const NAMESPACE = 'shop'
const PATH = `/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices`

/** An endpoint as the endpoint slice controller writes it for a pod that is ready. */
export function endpoint (address: string, more: object = {}) {
  const name = `app-${address.replaceAll(/[.:]/g, '-')}`
  return {
    addresses: [address],
    conditions: { ready: true, serving: true, terminating: false },
    nodeName: 'worker-1',
    targetRef: { kind: 'Pod', namespace: NAMESPACE, name, uid: '0a5a8b8c-6a3c-4f4b-9d1e-2f1d5b1c0001' },
    zone: 'zone-a',
    ...more
  }
}

/** The target that such an endpoint becomes. */
export function podTarget (address: string, port = 8080) {
  return { url: `http://${address.includes(':') ? `[${address}]` : address}:${port}`, labels: { pod: `app-${address.replaceAll(/[.:]/g, '-')}`, zone: 'zone-a' } }
}

export interface SliceParts {
  endpoints?: object[] | null
  ports?: object[] | null
  addressType?: string
  service?: string
}

interface StoredSlice { metadata: { name: string, resourceVersion: string, labels: Record<string, string> } }
interface StoredEvent { version: number, type: string, object: StoredSlice }

/** A request that the server has got. */
export interface ApiRequest {
  query: Record<string, string>
  isWatch: boolean
  headers: IncomingMessage['headers']
  path: string
  response: ServerResponse
  socket: Socket
  /** Resolves when the connection is closed. */
  closed: Promise<void>
}

/** As much of an API server as has to do with EndpointSlices, over TLS, and the folder of a service account. */
export class KubernetesApi {
  readonly url: string
  /** Of the service account. */
  readonly folder: string
  readonly requests = new Arrivals<ApiRequest>()
  /** The tokens that are good. */
  readonly tokens = new Set(['token-1'])
  /** Responds itself where it returns true. */
  override: (request: ApiRequest) => boolean = () => false
  /** Whether connections break before a request. */
  isGone = false
  /** Whether a watch is written byte by byte. */
  isChopped = false
  /** The most items of a page, whatever is asked for. */
  page = Infinity
  readonly #slices = new Map<string, StoredSlice>()
  readonly #watches = new Set<ApiRequest>()
  #events: StoredEvent[] = []
  #version = 1000
  /** What is before it is forgotten. */
  #oldest = 0

  constructor (url: string, folder: string) {
    this.url = url
    this.folder = folder
  }

  get version (): string {
    return String(this.#version)
  }

  /** Something else in the cluster changes. */
  advance (): void {
    this.#version++
  }

  /** Writes a slice, as `kubectl get --output=json` would show it. */
  put (name: string, { endpoints = [], ports = [{ name: 'http', port: 8080, protocol: 'TCP' }], addressType = 'IPv4', service = 'app' }: SliceParts): void {
    const resourceVersion = String(++this.#version)
    const type = this.#slices.has(name) ? 'MODIFIED' : 'ADDED'
    const slice = {
      addressType,
      endpoints,
      metadata: {
        creationTimestamp: '2025-01-01T00:00:00Z',
        generateName: `${service}-`,
        generation: 1,
        labels: { 'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io', 'kubernetes.io/service-name': service },
        name,
        namespace: NAMESPACE,
        ownerReferences: [{ apiVersion: 'v1', blockOwnerDeletion: true, controller: true, kind: 'Service', name: service, uid: '0a5a8b8c-6a3c-4f4b-9d1e-2f1d5b1c0002' }],
        resourceVersion,
        uid: '0a5a8b8c-6a3c-4f4b-9d1e-2f1d5b1c0003'
      },
      ports
    }
    this.#slices.set(name, slice)
    this.#emit({ version: this.#version, type, object: slice })
  }

  delete (name: string): void {
    const slice = this.#slices.get(name)!
    this.#slices.delete(name)
    this.#emit({ version: ++this.#version, type: 'DELETED', object: { ...slice, metadata: { ...slice.metadata, resourceVersion: this.version } } })
  }

  bookmark (): void {
    const object = { kind: 'EndpointSlice', apiVersion: 'discovery.k8s.io/v1', metadata: { resourceVersion: this.version, creationTimestamp: null }, addressType: '', endpoints: null, ports: null }
    this.write(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`)
  }

  /** Writes to all watches. */
  write (text: string): void {
    for (const watch of this.#watches) this.#writeTo(watch, text)
  }

  /** Forgets what was before, as etcd does after five minutes. */
  compact (): void {
    this.#oldest = this.#version
    this.#events = []
  }

  /** As it is when timeoutSeconds are over. */
  endWatches (): void {
    for (const { response } of this.#watches) response.end()
    this.#watches.clear()
  }

  breakWatches (): void {
    for (const { socket } of this.#watches) socket.destroy()
    this.#watches.clear()
  }

  /** Responds with what went wrong. */
  refuse ({ response }: ApiRequest, code: number, reason: string, message: string): true {
    response.writeHead(code, { 'Content-Type': 'application/json' }).end(`${JSON.stringify(statusOf(code, reason, message))}\n`)
    return true
  }

  /** Responds to a request. */
  serve (request: ApiRequest): void {
    const token = request.headers.authorization?.replace(/^Bearer /, '')
    if (token === undefined || !this.tokens.has(token)) this.refuse(request, 401, 'Unauthorized', 'Unauthorized')
    else if (request.path !== PATH) request.response.writeHead(404, { 'Content-Type': 'text/plain' }).end('404 page not found\n')
    else if (request.isWatch) this.#watch(request)
    else this.#list(request)
  }

  #emit (event: StoredEvent): void {
    this.#events.push(event)
    for (const watch of this.#watches) this.#tell(watch, event)
  }

  #tell (watch: ApiRequest, { type, object }: StoredEvent): void {
    if (isSelected(watch, object)) this.#writeTo(watch, `${JSON.stringify({ type, object: { kind: 'EndpointSlice', apiVersion: 'discovery.k8s.io/v1', ...object } })}\n`)
  }

  #writeTo ({ response }: ApiRequest, text: string): void {
    const pieces = this.isChopped ? Array.from(Buffer.from(text), byte => Buffer.of(byte)) : [text]
    for (const piece of pieces) response.write(piece)
  }

  #watch (request: ApiRequest): void {
    request.response.writeHead(200, { 'Content-Type': 'application/json' }).flushHeaders()
    const since = Number(request.query.resourceVersion)
    if (since < this.#oldest) {
      const object = statusOf(410, 'Expired', `too old resource version: ${since} (${this.#oldest})`)
      request.response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`)
      return
    }
    for (const event of this.#events) if (event.version > since) this.#tell(request, event)
    this.#watches.add(request)
    request.response.on('close', () => this.#watches.delete(request))
  }

  #list (request: ApiRequest): void {
    const { limit = Infinity, continue: token } = request.query
    const all = [...this.#slices.values()].filter(slice => isSelected(request, slice))
    const begin = token === undefined ? 0 : Number(Buffer.from(token, 'base64').toString())
    const end = begin + Math.min(Number(limit), this.page)
    const metadata = {
      resourceVersion: this.version,
      ...(end < all.length && { continue: Buffer.from(String(end)).toString('base64'), remainingItemCount: all.length - end })
    }
    const body = JSON.stringify({ kind: 'EndpointSliceList', apiVersion: 'discovery.k8s.io/v1', metadata, items: all.slice(begin, end) })
    request.response.writeHead(200, { 'Content-Type': 'application/json' }).end(`${body}\n`)
  }
}

function isSelected ({ query }: ApiRequest, { metadata: { labels } }: StoredSlice): boolean {
  const [name, value] = query.labelSelector!.split('=') as [string, string]
  return labels[name] === value
}

function statusOf (code: number, reason: string, message: string) {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code }
}

/** An API server on loopback, until the test is over. */
export async function kubernetesApi (t: Test, host = '127.0.0.1'): Promise<KubernetesApi> {
  const { cert, key } = await selfSigned(t, `IP:${host}`)
  const server = createServer({ cert, key })
  const sockets = new Set<Socket>()
  server.listen(0, host)
  await once(server, 'listening')
  const folder = join(await temporaryFolder(t), 'serviceaccount')
  mkdirSync(folder)
  for (const [name, text] of [['ca.crt', cert], ['token', 'token-1'], ['namespace', NAMESPACE]] as const) writeFileSync(join(folder, name), text)
  const { port } = server.address() as AddressInfo
  const api = new KubernetesApi(`https://${host.includes(':') ? `[${host}]` : host}:${port}`, folder)
  server.on('connection', (socket: Socket) => {
    if (api.isGone) return socket.destroy()
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('request', (message, response) => {
    const { pathname, searchParams } = new URL(message.url!, api.url)
    const query = Object.fromEntries(searchParams)
    const { headers, socket } = message
    const closed = new Promise<void>(resolve => socket.on('close', resolve))
    const request = { query, isWatch: query.watch === '1', headers, path: pathname, response, socket, closed }
    if (!api.override(request)) api.serve(request)
    api.requests.push(request)
  })
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    return new Promise(resolve => server.close(resolve))
  })
  return api
}
