import { fileURLToPath } from 'node:url'

/** Where the dashboard is, for Grafana 10 and newer. */
export const DASHBOARD_FILE = fileURLToPath(new URL('../deploy/grafana/sluice.json', import.meta.url))

/** What is drawn in one panel. */
interface PanelOptions {
  title: string
  description?: string
  /** Of Grafana: reqps, s, Bps, short, percentunit. */
  unit?: string
  /** PromQL by the name of the line in the legend. */
  queries: Record<string, string>
  type?: 'timeseries' | 'stat' | 'heatmap'
  /** Of 24 columns. */
  width?: number
  stack?: boolean
}

/** The routes and upstreams that are chosen above the dashboard. */
const OF_ROUTE = 'job=~"$job", instance=~"$instance", route=~"$route", upstream=~"$upstream"'
const OF_UPSTREAM = 'job=~"$job", instance=~"$instance", upstream=~"$upstream"'
const OF_PROCESS = 'job=~"$job", instance=~"$instance"'

const rate = (metric: string, labels = OF_ROUTE, more = ''): string => `rate(${metric}{${labels}${more}}[$__rate_interval])`
const sum = (expression: string, ...by: string[]): string => by.length === 0 ? `sum(${expression})` : `sum by (${by.join(', ')}) (${expression})`
const quantile = (share: number, histogram: string, ...by: string[]): string => `histogram_quantile(${share}, ${sum(rate(`${histogram}_bucket`), 'le', ...by)})`

const ROWS: Array<{ title: string, panels: PanelOptions[] }> = [
  {
    title: 'Now',
    panels: [
      { title: 'Open sessions', type: 'stat', width: 4, queries: { sessions: sum(`sluice_websocket_sessions{${OF_ROUTE}}`) } },
      { title: 'Requests', type: 'stat', unit: 'reqps', width: 4, queries: { requests: sum(rate('sluice_requests_total')) } },
      { title: 'Responses with 5xx', type: 'stat', unit: 'percentunit', width: 4, queries: { errors: `${sum(rate('sluice_requests_total', OF_ROUTE, ', status="5xx"'))} / ${sum(rate('sluice_requests_total'))}` } },
      { title: 'Targets that are up', type: 'stat', unit: 'percentunit', width: 4, queries: { up: `avg(sluice_target_up{${OF_UPSTREAM}})` } },
      { title: 'Last reload', description: '1 if the last reload of the configuration was applied, 0 if it was refused.', type: 'stat', width: 4, queries: { ok: `min(sluice_config_last_reload_successful{${OF_PROCESS}})` } },
      { title: 'Age of the configuration', type: 'stat', unit: 's', width: 4, queries: { age: `time() - max(sluice_config_last_reload_success_timestamp_seconds{${OF_PROCESS}})` } }
    ]
  },
  {
    title: 'Requests',
    panels: [
      { title: 'Requests by status', unit: 'reqps', width: 8, stack: true, queries: { '{{status}}': sum(rate('sluice_requests_total'), 'status') } },
      {
        title: 'Time to the end of the response',
        description: 'Of WebSockets and of event streams, to the head of the response. A session is not part of it.',
        unit: 's',
        width: 8,
        queries: Object.fromEntries([0.5, 0.9, 0.99].map(share => [`p${share * 100}`, quantile(share, 'sluice_request_duration_seconds')]))
      },
      { title: 'Time to the end of the response, p99 by route', unit: 's', width: 8, queries: { '{{route}}': quantile(0.99, 'sluice_request_duration_seconds', 'route') } },
      { title: 'Requests by route', unit: 'reqps', width: 8, queries: { '{{route}}': sum(rate('sluice_requests_total'), 'route') } },
      { title: 'Bytes of bodies', unit: 'Bps', width: 8, queries: { '{{direction}}': sum(rate('sluice_body_bytes_total'), 'direction') } },
      { title: 'Retries', unit: 'reqps', width: 8, queries: { '{{upstream}}': sum(rate('sluice_retries_total'), 'upstream') } }
    ]
  },
  {
    title: 'WebSockets',
    panels: [
      { title: 'Open sessions by route', width: 8, stack: true, queries: { '{{route}}': sum(`sluice_websocket_sessions{${OF_ROUTE}}`, 'route') } },
      {
        title: 'Sessions that open, end, and are reconnected',
        unit: 'reqps',
        width: 8,
        queries: { open: sum(rate('sluice_websocket_sessions_opened_total')), end: sum(rate('sluice_websocket_sessions_ended_total')), reconnect: sum(rate('sluice_websocket_reconnects_total', OF_ROUTE, ', outcome="succeeded"')) }
      },
      { title: 'Handshakes by how they ended', unit: 'reqps', width: 8, stack: true, queries: { '{{outcome}} by {{by}}': sum(rate('sluice_websocket_handshakes_total'), 'outcome', 'by') } },
      { title: 'Ends of sessions: who, why and with which code', unit: 'reqps', width: 12, stack: true, queries: { '{{by}}: {{reason}} {{code}}': sum(rate('sluice_websocket_sessions_ended_total'), 'by', 'reason', 'code') } },
      { title: 'How long sessions lasted', type: 'heatmap', unit: 's', width: 12, queries: { '{{le}}': sum(`increase(sluice_websocket_session_duration_seconds_bucket{${OF_ROUTE}}[$__rate_interval])`, 'le') } },
      { title: 'Messages', unit: 'reqps', width: 6, queries: { '{{direction}}': sum(rate('sluice_websocket_messages_total'), 'direction') } },
      { title: 'Frames', unit: 'reqps', width: 6, queries: { '{{direction}}': sum(rate('sluice_websocket_frames_total'), 'direction') } },
      { title: 'Bytes', unit: 'Bps', width: 6, queries: { '{{direction}}': sum(rate('sluice_websocket_bytes_total'), 'direction') } },
      {
        title: 'Directions that stand still',
        description: 'How many directions of sessions stood still at a time, because their receivers did not read.',
        width: 6,
        queries: { '{{direction}}': sum(rate('sluice_websocket_stalled_seconds_total'), 'direction') }
      }
    ]
  },
  {
    title: 'Upstreams',
    panels: [
      { title: 'Targets that are up', width: 8, queries: { '{{upstream}} {{target}}': `sluice_target_up{${OF_UPSTREAM}}` } },
      { title: 'Load', width: 8, stack: true, queries: { '{{target}} {{kind}}': sum(`sluice_target_load{${OF_UPSTREAM}}`, 'target', 'kind') } },
      { title: 'Waiting for a place', width: 8, queries: { '{{upstream}}': sum(`sluice_upstream_waiting{${OF_UPSTREAM}}`, 'upstream') } },
      { title: 'Failed attempts', unit: 'reqps', width: 12, queries: { '{{target}}': sum(rate('sluice_target_failures_total', OF_UPSTREAM), 'target') } },
      { title: 'Ejections', width: 12, queries: { '{{target}}': sum(`increase(sluice_target_ejections_total{${OF_UPSTREAM}}[$__rate_interval])`, 'target') } }
    ]
  },
  {
    title: 'Process',
    panels: [
      { title: 'CPU', unit: 'percentunit', width: 6, queries: { '{{instance}}': rate('process_cpu_seconds_total', OF_PROCESS) } },
      { title: 'Memory', unit: 'bytes', width: 6, queries: { 'resident {{instance}}': `process_resident_memory_bytes{${OF_PROCESS}}`, 'heap {{instance}}': `nodejs_heap_size_used_bytes{${OF_PROCESS}}` } },
      { title: 'Delay of the event loop', unit: 's', width: 6, queries: { 'p50 {{instance}}': `nodejs_eventloop_lag_p50_seconds{${OF_PROCESS}}`, 'p99 {{instance}}': `nodejs_eventloop_lag_p99_seconds{${OF_PROCESS}}` } },
      { title: 'File descriptors', width: 6, queries: { 'open {{instance}}': `process_open_fds{${OF_PROCESS}}`, 'limit {{instance}}': `process_max_fds{${OF_PROCESS}}` } },
      { title: 'Workers', description: 'Where the service has worker processes.', width: 12, stack: true, queries: { '{{state}}': sum(`sluice_workers{${OF_PROCESS}}`, 'state') } },
      { title: 'Workers that failed', width: 12, queries: { failed: sum(`increase(sluice_worker_failures_total{${OF_PROCESS}}[$__rate_interval])`) } },
      { title: 'Reloads', width: 24, queries: { '{{result}}': sum(`increase(sluice_config_reloads_total{${OF_PROCESS}}[$__rate_interval])`, 'result') } }
    ]
  }
]

const HEIGHT = { stat: 4, timeseries: 8, heatmap: 8 }
const DATASOURCE = { type: 'prometheus', uid: '${datasource}' } // eslint-disable-line no-template-curly-in-string -- Grafana fills it in.

/** The text of the dashboard's file. */
export function grafanaDashboard (): string {
  let id = 0
  let y = 0
  const panels = ROWS.flatMap(({ title, panels }) => {
    const row = { id: ++id, type: 'row', title, collapsed: false, gridPos: { x: 0, y: y++, w: 24, h: 1 }, panels: [] }
    let x = 0
    let height = 0
    const placed = panels.map(options => {
      const { type = 'timeseries', width = 12 } = options
      if (x + width > 24) {
        x = 0
        y += height
        height = 0
      }
      const panel = panelOf(++id, options, { x, y, w: width, h: HEIGHT[type] })
      x += width
      height = Math.max(height, HEIGHT[type])
      return panel
    })
    y += height
    return [row, ...placed]
  })
  const dashboard = {
    uid: 'sluice',
    title: 'Sluice',
    description: 'An API gateway that keeps WebSockets whole. Made by scripts/grafana-dashboard.ts.',
    tags: ['sluice', 'websocket', 'gateway'],
    schemaVersion: 39,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    templating: {
      list: [
        { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' },
        variable('job', 'Job', 'label_values(sluice_config_last_reload_successful, job)'),
        variable('instance', 'Instance', 'label_values(sluice_config_last_reload_successful{job=~"$job"}, instance)'),
        variable('route', 'Route', 'label_values(sluice_requests_total{job=~"$job", instance=~"$instance"}, route)'),
        variable('upstream', 'Upstream', 'label_values(sluice_target_up{job=~"$job", instance=~"$instance"}, upstream)')
      ]
    },
    panels
  }
  return `${JSON.stringify(dashboard, undefined, 2)}\n`
}

function panelOf (id: number, { title, description, unit = 'short', queries, type = 'timeseries', stack = false }: PanelOptions, gridPos: object): object {
  return {
    id,
    type,
    title,
    ...description !== undefined && { description },
    gridPos,
    datasource: DATASOURCE,
    fieldConfig: {
      defaults: { unit, min: 0, ...type === 'timeseries' && { custom: { fillOpacity: stack ? 30 : 0, stacking: { mode: stack ? 'normal' : 'none' }, showPoints: 'never' } } },
      overrides: []
    },
    options: type === 'timeseries' ? { legend: { displayMode: 'list', placement: 'bottom', showLegend: true }, tooltip: { mode: 'multi', sort: 'desc' } } : {},
    targets: Object.entries(queries).map(([legend, expression], index) => ({
      refId: String.fromCharCode(65 + index),
      datasource: DATASOURCE,
      expr: expression,
      legendFormat: legend,
      ...type === 'heatmap' && { format: 'heatmap' },
      ...type === 'stat' ? { instant: true } : { range: true }
    }))
  }
}

function variable (name: string, label: string, query: string): object {
  return { name, label, type: 'query', datasource: DATASOURCE, query: { query, refId: name }, definition: query, refresh: 2, includeAll: true, allValue: '.*', multi: true, sort: 1, current: { text: 'All', value: '$__all' } }
}
