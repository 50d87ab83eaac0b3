import { reload } from './api.js'
import { Charts } from './charts.js'
import { ConnectionState } from './connection-state.js'
import { ask } from './dialog.js'
import { byId, setAttribute, setText } from './dom.js'
import { Events } from './events.js'
import { Feed } from './feed.js'
import { age, clock } from './format.js'
import { announce, notify } from './notices.js'
import { FailingRoutes, problemsOf, RECENT, type Problem, type Status } from './problems.js'
import type { GatewayEvent, ReloadResult, ServerMessage, SessionFilter, UpstreamRow } from './protocol.js'
import { RecentEvents } from './recent-events.js'
import { Routes } from './routes.js'
import { Schedule } from './schedule.js'
import { serverNow, setServerTime } from './server-clock.js'
import { Sessions } from './sessions.js'
import { Summary } from './summary.js'
import { Upstreams } from './upstreams.js'
import { workersText, workersTitle } from './workers.js'

/* The page: gives what comes from the gateway to the parts that show it. */

const state = new ConnectionState()
const feed = new Feed({ onMessage, onConnected: () => state.connected(), onLost: reason => state.lost(reason) })
const recent = new RecentEvents()
const failing = new FailingRoutes()
const charts = new Charts()
const sessions = new Sessions(view => feed.view(view))
const upstreams = new Upstreams((upstream, target) => showSessions({ upstream, target }))
const routes = new Routes(route => showSessions({ route }))
const events = new Events(recent)
const summary = new Summary(showProblem)
const schedule = new Schedule({
  charts: () => charts.render(),
  upstreams: () => upstreams.render(),
  routes: () => routes.render(),
  sessions: () => sessions.render(),
  events: () => events.render(),
  summary: () => {
    summary.render(status(), problems)
    setText(byId('uptime', HTMLElement), `up ${age(serverNow() - startedAt)}`)
  }
})

let startedAt = Date.now()
let upstreamRows: readonly UpstreamRow[] = []
let lastReload: ReloadResult | null = null
let problems: readonly Problem[] = []

function onMessage (message: ServerMessage): void {
  switch (message.type) {
    case 'hello':
      startedAt = message.startedAt
      setText(byId('version', HTMLElement), message.version)
      charts.reset(message.points)
      recent.reset(message.events)
      schedule.soon('charts', 'events')
      break
    case 'tick':
      setServerTime(message.point.at)
      charts.add(message.point)
      recent.forget(message.point.at)
      lastReload = message.reload
      setText(byId('workers', HTMLElement), workersText(message.workers))
      setAttribute(byId('workers', HTMLElement), 'title', workersTitle(message.workers, message.point.at))
      state.setGateway(message.state)
      // The targets show for how long they have been as they are.
      schedule.soon('charts', 'summary', 'upstreams', 'events')
      break
    case 'routes':
      failing.note(message.routes, serverNow())
      routes.setRoutes(message.routes)
      sessions.offerRoutes(message.routes)
      schedule.soon('routes', 'summary')
      break
    case 'upstreams':
      upstreamRows = message.upstreams
      upstreams.setUpstreams(message.upstreams)
      sessions.offerUpstreams(message.upstreams)
      schedule.soon('upstreams', 'summary')
      break
    case 'sessions':
      sessions.setList(message)
      if (sessions.isAwaited) schedule.now('sessions')
      else schedule.soon('sessions')
      break
    case 'event':
      recent.add(message.event)
      announceEvent(message.event)
      schedule.soon('events')
      break
    case 'error':
      notify(message.text)
  }
  problems = problemsOf(status())
  state.setProblems(problems.length)
}

function status (): Status {
  const now = serverNow()
  return { now, points: charts.last(RECENT / 1_000), upstreams: upstreamRows, failing: failing.list(now), reload: lastReload }
}

function announceEvent ({ kind, text, target, upstream }: GatewayEvent): void {
  if (kind === 'target') announce(`Target ${target} in ${upstream}: ${text}`)
  if (kind === 'reload' || kind === 'worker') announce(text)
}

function showSessions (filter: SessionFilter): void {
  sessions.filter(filter)
  goTo('sessions')
}

function showProblem ({ section, filter }: Problem): void {
  ({ upstreams, routes, events })[section].filter(filter)
  goTo(section)
}

function goTo (section: string): void {
  const title = byId(`${section}-title`, HTMLElement)
  title.scrollIntoView()
  title.focus({ preventScroll: true })
}

const pause = byId('pause', HTMLButtonElement)
pause.addEventListener('click', () => {
  schedule.isPaused = !schedule.isPaused
  setAttribute(pause, 'aria-pressed', String(schedule.isPaused))
  setText(byId('paused', HTMLElement), schedule.isPaused ? `paused at ${clock(serverNow())}` : '')
})

byId('reload', HTMLButtonElement).addEventListener('click', () => ask({
  title: 'Reload the configuration?',
  text: 'The gateway reads its configuration again and puts it in force. Requests go on; sessions end only if their route or target is gone. If the configuration is not valid, the one in force stays.',
  confirm: 'Reload',
  act: async () => notify(await reload())
}))

byId('banner-retry', HTMLButtonElement).addEventListener('click', () => feed.reconnect())

feed.reconnect()
