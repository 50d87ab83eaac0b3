import { EventEmitter, once } from 'node:events'
import { httpBackend, type Teardown } from './backends.js'

/** A span as it arrived. */
export interface ReceivedSpan {
  traceId: string
  spanId: string
  parentSpanId: string
  name: string
  kind: number
  status: { code: number, message?: string }
  attributes: Record<string, unknown>
  /** The instrumentation that made it. */
  scope: string
  /** Attributes of the process that sent it. */
  resource: Record<string, unknown>
}

type Value = { stringValue?: string, intValue?: number | string, boolValue?: boolean, doubleValue?: number }
type Attributes = Array<{ key: string, value: Value }>

interface Body {
  resourceSpans: Array<{
    resource: { attributes: Attributes }
    scopeSpans: Array<{ scope: { name: string }, spans: Array<Omit<ReceivedSpan, 'attributes'> & { attributes: Attributes }> }>
  }>
}

/** What collects spans over OTLP/HTTP with JSON. */
export interface OtlpReceiver {
  url: string
  spans: ReceivedSpan[]
  /** The first span of this name, once it is there. */
  span (name: string): Promise<ReceivedSpan>
}

export async function otlpReceiver (t: Teardown): Promise<OtlpReceiver> {
  const events = new EventEmitter()
  const spans: ReceivedSpan[] = []
  const { url } = await httpBackend(t, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      if (request.url !== '/v1/traces') return response.writeHead(404).end()
      spans.push(...spansOf(JSON.parse(Buffer.concat(chunks).toString()) as Body))
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
      events.emit('spans')
    })
  })
  return {
    url,
    spans,
    span: async name => {
      for (;;) {
        const found = spans.find(span => span.name === name)
        if (found !== undefined) return found
        await once(events, 'spans')
      }
    }
  }
}

function spansOf ({ resourceSpans }: Body): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => scopeSpans.flatMap(({ scope, spans }) => spans.map(span => ({
    ...span, attributes: valuesOf(span.attributes), scope: scope.name, resource: valuesOf(resource.attributes)
  }))))
}

function valuesOf (attributes: Attributes): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? (value.intValue === undefined ? value.boolValue ?? value.doubleValue : Number(value.intValue))]))
}
