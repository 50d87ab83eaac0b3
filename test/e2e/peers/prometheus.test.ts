import { spawnSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { stringify } from 'yaml'
import admin from '../../../src/admin/index.js'
import { metrics } from '../../../src/observers/metrics.js'
import { startCommandWithOneOutput } from '../../helpers/command.js'
import { adapter } from '../../helpers/manifests.js'
import { usedGateway } from '../../helpers/metrics.js'
import { alerts, ALERTS_FILE, queries } from '../../helpers/monitoring.js'
import { freePort } from '../../helpers/raw-target.js'
import { temporaryFolder } from '../../helpers/temporary-folder.js'

/*
 * Issue 11: Prometheus and its promtool read what the gateway says of itself, and what deploy/ asks of them.
 */

t.test('promtool is content with the metrics', async t => {
  const { app } = await usedGateway(t)
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: await metrics(app.gateway).metrics(), encoding: 'utf8' })
  t.strictSame([status, stdout, stderr], [0, '', ''])
})

t.test('Prometheus collects them from the admin listener, with its token', async t => {
  const { app } = await usedGateway(t, app => app.register(admin, { port: 0, token: 'a token of the test' }))
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'prometheus.yml'), stringify({
    global: { scrape_interval: '1s' },
    rule_files: [ALERTS_FILE],
    scrape_configs: [{ job_name: 'sluice', authorization: { credentials: 'a token of the test' }, static_configs: [{ targets: [new URL(app.gatewayAdmin.address).host] }] }]
  }))
  const port = await freePort()
  const prometheus = startCommandWithOneOutput(t, 'prometheus', [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=127.0.0.1:${port}`])
  await prometheus.output(/Server is ready to receive web requests/)
  const ask = async (query: string): Promise<string | undefined> => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(query)}`)
    const { data } = await response.json() as { data: { result: Array<{ value: [number, string] }> } }
    return data.result[0]?.value[1]
  }
  // Prometheus tells nobody when it has collected, so it is asked until it has.
  while (await ask('sum(sluice_websocket_sessions)') === undefined) continue
  t.equal(await ask('up{job="sluice"}'), '1')
  t.equal(await ask('sum(sluice_websocket_sessions)'), '1')
  t.equal(await ask('sum(sluice_requests_total{status="2xx"})'), '1')
  t.equal(await ask('histogram_quantile(1, sum by (le) (sluice_request_duration_seconds_bucket{status="2xx"})) > 0') !== undefined, true)
})

/** Runs promtool on a file. */
function promtool (...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync('promtool', args, { encoding: 'utf8' })
  if (error !== undefined) throw error
  return status === 0 ? '' : `${stdout}${stderr}`
}

t.test('Prometheus understands every expression', async t => {
  t.equal(promtool('check', 'rules', ALERTS_FILE), '')
  const file = join(await temporaryFolder(t), 'dashboard.yml')
  await writeFile(file, stringify({
    groups: [{
      name: 'dashboard',
      rules: queries.map(({ expr }, index) => ({ record: `query:${index}`, expr: expr.replaceAll('$__rate_interval', '5m').replaceAll(/\$[a-z]+/g, '.*') }))
    }]
  }))
  t.equal(promtool('check', 'rules', file), '')
})

t.test('each alert goes off when it should, and not otherwise', async t => {
  /** What is there when an alert is to go off, and when it is not to: series by their values, each a minute apart. */
  const cases: Record<string, { labels: Record<string, string>, series: Record<string, string>, well: Record<string, string> }> = {
    SluiceDown: { labels: { job: 'sluice', instance: 'a' }, series: { 'up{job="sluice", instance="a"}': '0x20' }, well: { 'up{job="sluice", instance="a"}': '1x20' } },
    SluiceUpstreamDown: {
      labels: { job: 'sluice', instance: 'a', upstream: 'app' },
      series: { 'sluice_target_up{job="sluice", instance="a", upstream="app", target="one"}': '0x20', 'sluice_target_up{job="sluice", instance="a", upstream="app", target="two"}': '0x20' },
      well: { 'sluice_target_up{job="sluice", instance="a", upstream="app", target="one"}': '0x20', 'sluice_target_up{job="sluice", instance="a", upstream="app", target="two"}': '1x20' }
    },
    SluiceTargetDown: {
      labels: { upstream: 'app', target: 'one' },
      series: { 'sluice_target_up{upstream="app", target="one"}': '0x20' },
      well: { 'sluice_target_up{upstream="app", target="one"}': '0x5 1x15' }
    },
    SluiceErrors: {
      labels: { job: 'sluice', route: '/*' },
      series: { 'sluice_requests_total{job="sluice", route="/*", status="2xx"}': '0+100x20', 'sluice_requests_total{job="sluice", route="/*", status="5xx"}': '0+10x20' },
      well: { 'sluice_requests_total{job="sluice", route="/*", status="2xx"}': '0+100x20', 'sluice_requests_total{job="sluice", route="/*", status="5xx"}': '0+1x20' }
    },
    SluiceHandshakesFail: {
      labels: { job: 'sluice', route: '/*' },
      series: { 'sluice_websocket_handshakes_total{job="sluice", route="/*", outcome="accepted", by="target"}': '0+10x20', 'sluice_websocket_handshakes_total{job="sluice", route="/*", outcome="error", by="target"}': '0+10x20' },
      well: { 'sluice_websocket_handshakes_total{job="sluice", route="/*", outcome="accepted", by="target"}': '0+10x20', 'sluice_websocket_handshakes_total{job="sluice", route="/*", outcome="error", by="client"}': '0+10x20' }
    },
    SluiceSessionsLost: {
      labels: { job: 'sluice', route: '/*' },
      series: { 'sluice_websocket_sessions_ended_total{job="sluice", route="/*", by="client", reason="close"}': '0+10x20', 'sluice_websocket_sessions_ended_total{job="sluice", route="/*", by="target", reason="lost"}': '0+10x20' },
      well: { 'sluice_websocket_sessions_ended_total{job="sluice", route="/*", by="client", reason="close"}': '0+10x20', 'sluice_websocket_sessions_ended_total{job="sluice", route="/*", by="client", reason="lost"}': '0+10x20' }
    },
    SluiceSessionsDropped: { labels: { job: 'sluice' }, series: { 'sluice_websocket_sessions{job="sluice"}': '1000x10 100x10' }, well: { 'sluice_websocket_sessions{job="sluice"}': '1000x10 900x10' } },
    SluiceRetries: {
      labels: { job: 'sluice', upstream: 'app' },
      series: { 'sluice_retries_total{job="sluice", upstream="app"}': '0+20x20', 'sluice_requests_total{job="sluice", upstream="app"}': '0+100x20' },
      well: { 'sluice_retries_total{job="sluice", upstream="app"}': '0+5x20', 'sluice_requests_total{job="sluice", upstream="app"}': '0+100x20' }
    },
    SluiceWaiting: { labels: { upstream: 'app' }, series: { 'sluice_upstream_waiting{upstream="app"}': '3x20' }, well: { 'sluice_upstream_waiting{upstream="app"}': '3x17 0x3' } },
    SluiceReloadFailed: { labels: { instance: 'a' }, series: { 'sluice_config_last_reload_successful{instance="a"}': '1x10 0x10' }, well: { 'sluice_config_last_reload_successful{instance="a"}': '0x10 1x10' } },
    SluiceEventLoopSlow: { labels: { job: 'sluice', instance: 'a' }, series: { 'nodejs_eventloop_lag_p99_seconds{job="sluice", instance="a"}': '0.3x20' }, well: { 'nodejs_eventloop_lag_p99_seconds{job="sluice", instance="a"}': '0.02x20' } },
    SluiceFileDescriptors: {
      labels: { job: 'sluice', instance: 'a' },
      series: { 'process_open_fds{job="sluice", instance="a"}': '900x20', 'process_max_fds{job="sluice", instance="a"}': '1024x20' },
      well: { 'process_open_fds{job="sluice", instance="a"}': '90x20', 'process_max_fds{job="sluice", instance="a"}': '1024x20' }
    }
  }
  t.strictSame(Object.keys(cases), alerts.map(({ alert }) => alert), 'each has its case')
  const folder = await temporaryFolder(t)
  const file = join(folder, 'alerts-test.yml')
  const seriesOf = (values: Record<string, string>): object[] => Object.entries(values).map(([series, values]) => ({ series, values }))
  await writeFile(join(folder, 'alerts.yml'), await readFile(ALERTS_FILE))
  await writeFile(file, stringify({
    rule_files: ['alerts.yml'],
    evaluation_interval: '1m',
    tests: Object.entries(cases).flatMap(([alert, { series, well }]) => [
      { interval: '1m', input_series: seriesOf(series), promql_expr_test: [{ expr: `count(ALERTS{alertname="${alert}", alertstate="firing"})`, eval_time: '20m', exp_samples: [{ labels: '{}', value: 1 }] }] },
      { interval: '1m', input_series: seriesOf(well), promql_expr_test: [{ expr: `count(ALERTS{alertname="${alert}", alertstate="firing"})`, eval_time: '20m', exp_samples: [] }] }
    ])
  }))
  t.equal(promtool('test', 'rules', file), '')
})

// Issue 12
t.test('the adapter for Kubernetes adds up the sessions of each pod, with 0 for one that has had none', async t => {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'adapter-test.yml')
  const { metricsQuery } = adapter.rules.custom[0]!
  // As the adapter fills it in.
  const expr = metricsQuery.replaceAll('<<.LabelMatchers>>', 'namespace="edge",pod=~"a|b"').replaceAll('<<.GroupBy>>', 'pod')
  await writeFile(join(folder, 'none.yml'), 'groups: []')
  const pods = ['a', 'b', 'other'].map(pod => ({ series: `up{job="sluice", namespace="edge", pod="${pod}"}`, values: '1x5' }))
  const sessions = [['a', '/chat', '30x5'], ['a', '/live', '12x5'], ['other', '/chat', '7x5']]
    .map(([pod, route, values]) => ({ series: `sluice_websocket_sessions{job="sluice", namespace="edge", pod="${pod}", route="${route}", upstream="app"}`, values }))
  await writeFile(file, stringify({
    rule_files: ['none.yml'],
    tests: [{
      interval: '1m',
      input_series: [...pods, ...sessions],
      promql_expr_test: [{ expr, eval_time: '5m', exp_samples: [{ labels: '{pod="a"}', value: 42 }, { labels: '{pod="b"}', value: 0 }] }]
    }]
  }))
  t.equal(promtool('test', 'rules', file), '')
})
