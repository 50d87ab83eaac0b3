import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { REPOSITORY } from './consumer.js'
import type { Deployment } from 'kubernetes-types/apps/v1.js'
import type { HorizontalPodAutoscaler } from 'kubernetes-types/autoscaling/v2.js'
import type { Service } from 'kubernetes-types/core/v1.js'
import type { PodDisruptionBudget } from 'kubernetes-types/policy/v1.js'

/*
 * deploy/kubernetes.
 */

export const KUBERNETES = join(REPOSITORY, 'deploy/kubernetes')

/** What the tests read of the gateway's configuration. */
export interface GatewayFile { drainDelay: number, drainTimeout: number, drainSpread: number, admin: { host: string, port: number } }

export interface Monitor {
  spec: {
    selector: { matchLabels: Record<string, string> }
    podMetricsEndpoints: Array<{ port: string, path: string, authorization: { credentials: { name: string, key: string } } }>
  }
}

export interface AdapterRules { rules: { custom: Array<{ seriesQuery: string, metricsQuery: string }> } }

async function read<T> (name: string): Promise<T> {
  return parse(await readFile(join(KUBERNETES, name), 'utf8')) as T
}

export const deployment = await read<Required<Deployment>>('deployment.yaml')
export const service = await read<Required<Service>>('service.yaml')
export const budget = await read<Required<PodDisruptionBudget>>('disruption-budget.yaml')
export const autoscaler = await read<Required<HorizontalPodAutoscaler>>('autoscaler.yaml')
export const gatewayFile = await read<GatewayFile>('sluice.yaml')
export const monitor = await read<Monitor>('monitoring/pod-monitor.yaml')
export const adapter = await read<AdapterRules>('monitoring/prometheus-adapter.yaml')

/** The files of the resources of Kubernetes itself. */
export async function resourceFiles (): Promise<string[]> {
  return (await readdir(KUBERNETES)).filter(name => name.endsWith('.yaml') && !['kustomization.yaml', 'sluice.yaml'].includes(name))
}
