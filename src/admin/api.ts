import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { AdminNotFoundError } from '../errors.js'
import type { FeedSources } from './feed.js'
import { RecentEvent } from './recent-events.js'
import { redactedConfig } from './redacted-config.js'
import { RouteRow, routeRow } from './route-list.js'
import { SessionFilter, SessionOrder, SessionRow, type SessionView } from './session-list.js'
import { TargetRow, UpstreamRow } from './upstream-list.js'

const Closing = { code: Type.Optional(Type.Integer({ default: 1000, description: 'The close code.' })), reason: Type.Optional(Type.String({ default: '', description: 'At most 123 bytes in UTF-8.' })) }
const Closed = Type.Object({ closed: Type.Integer({ description: 'How many sessions are ended.' }) })
const ById = Type.Object({ id: Type.String() })
const ByName = Type.Object({ name: Type.String() })
/** How many there are is asked for, and none of them. */
const NO_SESSIONS: SessionView = { filter: {}, sort: 'age', descending: false, offset: 0, limit: 0 }
const Result = Type.Object({ ok: Type.Boolean(), text: Type.String() })

const Worker = Type.Object({
  id: Type.Integer({ description: 'Its number, from 1; the one that replaces a worker has the same.' }),
  pid: Type.Integer(),
  state: Type.String({ description: 'starting, serving, or leaving: it accepts nothing any more.' }),
  startedAt: Type.Integer({ description: 'Milliseconds since 1970.' }),
  sessions: Type.Integer({ description: 'Open.' })
})

/** The API: what `app.gateway` does, over HTTP. */
export function serveApi (app: FastifyInstance, { source, sampler, version }: FeedSources): void {
  app.get('/api', {
    schema: {
      summary: 'The gateway itself.',
      response: { 200: Type.Object({ version: Type.String(), node: Type.String(), pid: Type.Integer(), startedAt: Type.Integer({ description: 'Milliseconds since 1970.' }), state: Type.String(), sessions: Type.Integer(), routes: Type.Integer(), upstreams: Type.Integer(), workers: Type.Optional(Type.Array(Worker, { description: 'Where there are worker processes.' })) }) }
    }
  }, async () => {
    const [routes, upstreams, { total: sessions }] = await Promise.all([source.routes(), source.upstreams(), source.listSessions(NO_SESSIONS)])
    const { startedAt, state, workers } = source
    return { version, node: process.version, pid: process.pid, startedAt, state, sessions, routes: routes.length, upstreams: upstreams.length, ...workers !== undefined && { workers } }
  })

  app.get('/api/routes', { schema: { summary: 'All routes.', response: { 200: Type.Object({ routes: Type.Array(RouteRow) }) } } },
    async () => ({ routes: (await source.routes()).map(route => routeRow(route, sampler.routes.get(route.url))) }))

  app.get('/api/upstreams', { schema: { summary: 'All upstreams with their targets.', response: { 200: Type.Object({ upstreams: Type.Array(UpstreamRow) }) } } },
    async () => ({ upstreams: await source.upstreams() }))

  app.get<{ Params: { name: string } }>('/api/upstreams/:name', { schema: { summary: 'An upstream.', params: ByName, response: { 200: UpstreamRow } } },
    ({ params }) => source.upstream(params.name))

  app.patch<{ Params: { name: string }, Body: { url: string, state?: 'ready' | 'drain' | 'maintenance', weight?: number } }>('/api/upstreams/:name/targets', {
    schema: {
      summary: 'Sets the state or the weight of a target.',
      params: ByName,
      body: Type.Object({ url: Type.String({ description: 'The URL of the target.' }), state: Type.Optional(TargetRow.properties.state), weight: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })) }, { additionalProperties: false }),
      response: { 200: TargetRow }
    }
  }, ({ params, body: { url, ...change } }) => source.setTarget(params.name, url, change))

  app.post<{ Params: { name: string }, Body: { share?: number, spread?: number } }>('/api/upstreams/:name/rebalance', {
    schema: {
      summary: 'Moves sessions from targets that have more than their share, by ending them with 1012.',
      params: ByName,
      body: Type.Object({
        share: Type.Optional(Type.Number({ minimum: 0, maximum: 1, default: 1, description: 'Share of the surplus that is moved.' })),
        spread: Type.Optional(Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1, default: 30_000, description: 'Milliseconds over which the sessions end.' }))
      }, { additionalProperties: false }),
      response: { 200: Type.Object({ moved: Type.Integer() }) }
    }
  }, async ({ params, body }) => ({ moved: await source.rebalance(params.name, body) }))

  app.get<{ Querystring: SessionFilter & { sort: SessionOrder, descending: boolean, offset: number, limit: number } }>('/api/sessions', {
    schema: {
      summary: 'Open sessions.',
      querystring: Type.Object({
        ...SessionFilter.properties,
        sort: Type.Optional(SessionOrder),
        descending: Type.Optional(Type.Boolean({ default: false })),
        offset: Type.Optional(Type.Integer({ minimum: 0, default: 0 })),
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000, default: 100 }))
      }, { additionalProperties: false }),
      response: { 200: Type.Object({ total: Type.Integer({ description: 'All that are open.' }), matching: Type.Integer(), offset: Type.Integer(), sessions: Type.Array(SessionRow) }) }
    }
  }, async ({ query: { sort, descending, offset, limit, ...filter } }) => {
    return { offset, ...await source.listSessions({ filter, sort, descending, offset, limit }) }
  })

  app.get<{ Params: { id: string } }>('/api/sessions/:id', { schema: { summary: 'A session.', params: ById, response: { 200: SessionRow } } },
    ({ params }) => source.session(params.id))

  app.delete<{ Params: { id: string }, Querystring: { code: number, reason: string } }>('/api/sessions/:id', {
    schema: { summary: 'Ends a session with a close code.', params: ById, querystring: Type.Object(Closing, { additionalProperties: false }), response: { 200: Closed } }
  }, async ({ params, query: { code, reason } }) => {
    await source.closeSession(params.id, code, reason)
    return { closed: 1 }
  })

  app.post<{ Body: { filter: SessionFilter, code: number, reason: string } }>('/api/sessions/close', {
    schema: { summary: 'Ends all sessions that a filter means.', body: Type.Object({ filter: SessionFilter, ...Closing }, { additionalProperties: false }), response: { 200: Closed } }
  }, async ({ body: { filter, code, reason } }) => ({ closed: await source.closeSessions(filter, code, reason) }))

  app.post('/api/reload', { schema: { summary: 'Puts the configuration in force again.', response: { 200: Result, 409: Result } } }, async (_request, reply) => {
    if (source.reload === undefined) return await reply.code(409).send({ ok: false, text: 'The configuration was given by code, so there is nothing to read again.' })
    const { ok, text } = await source.reload()
    return await reply.code(ok ? 200 : 409).send({ ok, text })
  })

  app.get('/api/config', { schema: { summary: 'The configuration in force, without secrets.', response: { 200: Type.Object({}, { additionalProperties: true }) } } }, () => {
    if (source.config === undefined) throw new AdminNotFoundError('configuration: code made this app')
    return redactedConfig(source.config)
  })

  app.get('/api/events', { schema: { summary: 'Errors, changes of targets and reloads of the last hour, the newest first.', response: { 200: Type.Object({ events: Type.Array(RecentEvent) }) } } },
    () => ({ events: source.events() }))
}
