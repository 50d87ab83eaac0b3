import { describe, expect, test } from 'tstyche'
import type { GatewayEvent, Point, RouteRow, SessionFilter, SessionOrder, SessionRow, SessionView, TargetRow, UpstreamRow, WorkerRow } from '../../src/admin/page/protocol.js'
import type { RecentEvent } from '../../src/admin/recent-events.js'
import type { RouteRow as SentRoute } from '../../src/admin/route-list.js'
import type { Point as SentPoint } from '../../src/admin/sampler.js'
import type { SessionFilter as TakenFilter, SessionOrder as TakenOrder, SessionRow as SentSession, SessionView as TakenView } from '../../src/admin/session-list.js'
import type { WorkerRow as SentWorker } from '../../src/admin/source.js'
import type { TargetRow as SentTarget, UpstreamRow as SentUpstream } from '../../src/admin/upstream-list.js'

describe('the status page expects what the admin listener sends', () => {
  test('rows, points and events', () => {
    expect<SentRoute>().type.toBeAssignableTo<RouteRow>()
    expect<SentTarget>().type.toBeAssignableTo<TargetRow>()
    expect<SentUpstream>().type.toBeAssignableTo<UpstreamRow>()
    expect<SentWorker>().type.toBeAssignableTo<WorkerRow>()
    expect<SentSession>().type.toBeAssignableTo<SessionRow>()
    expect<SentPoint>().type.toBeAssignableTo<Point>()
    expect<RecentEvent>().type.toBeAssignableTo<GatewayEvent>()
  })

  test('views of the sessions', () => {
    expect<SessionFilter>().type.toBeAssignableTo<TakenFilter>()
    expect<SessionOrder>().type.toBe<TakenOrder>()
    expect<SessionView>().type.toBeAssignableTo<TakenView>()
  })
})
