import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { DASHBOARD_FILE } from '../../scripts/grafana-dashboard.js'

/*
 * What deploy/ has for Grafana and for Prometheus.
 */

export const ALERTS_FILE = fileURLToPath(new URL('../../deploy/prometheus/alerts.yml', import.meta.url))

export interface Alert { alert: string, expr: string }

export interface Panel { title: string, type: string, gridPos: { x: number, y: number, w: number, h: number }, targets?: Query[] }

export interface Query { expr: string, legendFormat: string }

export const dashboard = JSON.parse(await readFile(DASHBOARD_FILE, 'utf8')) as { panels: Panel[], templating: { list: Array<{ name: string, definition?: string }> } }
export const { panels } = dashboard
export const queries = panels.flatMap(({ targets = [] }) => targets)
export const alerts = (parse(await readFile(ALERTS_FILE, 'utf8')) as { groups: Array<{ rules: Alert[] }> }).groups.flatMap(({ rules }) => rules)
