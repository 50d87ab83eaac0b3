import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import { typeErrors } from '../helpers/kubernetes-types.js'
import { adapter, autoscaler, budget, deployment, gatewayFile, KUBERNETES, monitor, resourceFiles, service } from '../helpers/manifests.js'
import { CLI } from '../helpers/outputs.js'

/*
 * Issue 12: the manifests of deploy/kubernetes, by themselves and against each other. What the pod does is run by
 * test/e2e/install/container.test.ts.
 */

type Resource = Parameters<typeof typeErrors>[0][number]

interface Made extends Resource { metadata: { name: string }, data?: Record<string, string> }

const { template } = deployment.spec!
const { spec: pod } = template
const container = pod!.containers[0]!
const kubectl = spawnSync('kubectl', ['kustomize', '--help']).status !== 0 && 'kubectl is not installed'

t.test('each resource has the form that the API of Kubernetes has', async t => {
  const resources = await Promise.all((await resourceFiles()).map(async name => parse(await readFile(join(KUBERNETES, name), 'utf8')) as Resource))
  t.equal(resources.length, 5)
  t.strictSame(typeErrors(resources), [])
  const wrong = structuredClone(deployment) as unknown as { spec: { template: { spec: { containers: Array<Record<string, unknown>> } } } }
  wrong.spec.template.spec.containers[0]!.imagePullPolcy = 'Always'
  t.match(typeErrors([wrong as unknown as Resource, { ...budget, spec: { maxUnavailable: [1] } } as unknown as Resource]), [/imagePullPolcy/, /not assignable/], 'and mistakes would be found')
})

t.test('kubectl kustomize makes all of it, with the ConfigMap', { skip: kubectl }, async t => {
  const kustomize = (folder: string): Made[] => {
    const { status, stdout, stderr } = spawnSync('kubectl', ['kustomize', folder], { encoding: 'utf8' })
    t.equal(status, 0, stderr)
    t.equal(stderr, '', 'nothing that is deprecated')
    return parseAllDocuments(stdout).map(document => document.toJS() as Made)
  }
  const resources = kustomize(KUBERNETES)
  t.strictSame(resources.map(({ kind, metadata: { name } }) => `${kind} ${name}`).sort(), [
    'ConfigMap sluice', 'Deployment sluice', 'HorizontalPodAutoscaler sluice', 'PodDisruptionBudget sluice', 'Service sluice', 'ServiceAccount sluice'
  ])
  const config = resources.find(({ kind }) => kind === 'ConfigMap')!
  t.equal(config.data!['sluice.yaml'], await readFile(join(KUBERNETES, 'sluice.yaml'), 'utf8'))
  t.strictSame(kustomize(join(KUBERNETES, 'monitoring')).map(({ kind }) => kind), ['PodMonitor'])
})

t.test('every selector selects the pods, and every port has a name that they have', async t => {
  const labels = template.metadata!.labels!
  const [spread] = pod!.topologySpreadConstraints!
  for (const selector of [deployment.spec!.selector.matchLabels!, service.spec.selector!, budget.spec.selector!.matchLabels!, monitor.spec.selector.matchLabels, spread!.labelSelector!.matchLabels!]) {
    t.strictSame(selector, labels)
  }
  t.match(autoscaler.spec.scaleTargetRef, { kind: deployment.kind, apiVersion: deployment.apiVersion, name: deployment.metadata!.name })
  const ports = container.ports!.map(({ name }) => name)
  const { startupProbe, readinessProbe, livenessProbe } = container
  for (const port of [...service.spec.ports!.map(({ targetPort }) => targetPort), ...monitor.spec.podMetricsEndpoints.map(({ port }) => port),
    ...[startupProbe, readinessProbe, livenessProbe].map(probe => probe!.httpGet!.port)]) t.ok(ports.includes(port as string), String(port))
  t.equal(container.ports!.find(({ name }) => name === 'admin')!.containerPort, gatewayFile.admin.port)
})

t.test('the pod gets the time that the drain takes', async t => {
  const { drainDelay, drainTimeout, drainSpread } = gatewayFile
  t.equal(pod!.terminationGracePeriodSeconds! * 1_000, drainDelay + drainTimeout + 10_000)
  t.ok(drainSpread < drainTimeout)
  const { periodSeconds, failureThreshold } = container.readinessProbe!
  t.ok(periodSeconds! * failureThreshold! * 1_000 <= drainDelay, 'it is known not to be ready before it refuses')
})

t.test('the token of the admin listener is one Secret for all', async t => {
  const { name, key } = container.env!.find(({ name }) => name === 'ADMIN_TOKEN')!.valueFrom!.secretKeyRef!
  t.strictSame(monitor.spec.podMetricsEndpoints.map(({ authorization }) => authorization.credentials), [{ name, key }])
})

t.test('the autoscaler asks for the metric that the adapter offers', async t => {
  const [pods] = autoscaler.spec.metrics!
  const [rule] = adapter.rules.custom
  t.equal(rule!.seriesQuery.split('{')[0], pods!.pods!.metric.name)
})

t.test('the configuration is valid in the environment of the pod, and not without the token', async t => {
  const check = (environment: NodeJS.ProcessEnv) => spawnSync(process.execPath, [CLI, 'check', 'sluice.yaml'], { cwd: KUBERNETES, env: { PATH: process.env.PATH, ...environment }, encoding: 'utf8' })
  const { status, stderr } = check({ ADMIN_TOKEN: 'a-token-of-sixteen-characters' })
  t.equal(status, 0, stderr)
  t.equal(check({}).status, 1)
})
