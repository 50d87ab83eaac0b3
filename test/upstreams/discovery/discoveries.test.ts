import { EventEmitter, on, once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { TargetOptions, UpstreamOptions } from '../../../src/index.js'
import { createGateway } from '../../../src/service/index.js'
import { ask } from '../../helpers/ask.js'
import { gatewayApp } from '../../helpers/backends.js'
import { startGateway, type RunningGateway } from '../../helpers/gateway.js'
import { namedBackend } from '../../helpers/named-backends.js'
import { closed, openSocket } from '../../helpers/sockets.js'
import { temporaryFolder } from '../../helpers/temporary-folder.js'

/** Lists that a test gives, and whether somebody still wants them. */
class Lists extends EventEmitter {
  ended = false
  readonly lists = this.#generate()

  give (list: unknown): void {
    this.emit('list', list)
  }

  async * #generate (): AsyncGenerator<readonly TargetOptions[]> {
    try {
      for await (const [list] of on(this, 'list')) yield list as TargetOptions[]
    } finally {
      this.ended = true
    }
  }
}

const control = ({ app }: RunningGateway) => app.gateway.upstreams.get('main')!
const urls = (gateway: RunningGateway): string[] => control(gateway).targets.map(({ url }) => url)
const logged = async ({ log }: RunningGateway, text: string, times = 1): Promise<Record<string, unknown>> => {
  for (;;) {
    const found = log.filter(({ msg }) => String(msg).includes(text))
    if (found.length >= times) return found[times - 1]!
    await new Promise(setImmediate)
  }
}
const CHANGED = 'the targets of an upstream have changed'
const FAULT = 'could not be determined'

/** A gateway whose first list has been given. */
async function discovering (t: Test, first: unknown, upstream: Partial<UpstreamOptions> = {}): Promise<{ gateway: RunningGateway, lists: Lists, address: string }> {
  const lists = new Lists()
  setImmediate(() => lists.give(first))
  const gateway = await startGateway(t, { targets: lists.lists, upstream: upstream as never, route: { websocket: { onRemoved: 'close' } } })
  return { gateway, lists, address: `http://127.0.0.1:${gateway.port}` }
}

t.test('an app is ready when the first list is there, and follows the next ones', async t => {
  const [a, b] = [await namedBackend(t, 'a'), await namedBackend(t, 'b')]
  const { gateway, lists, address } = await discovering(t, [a])
  t.same(urls(gateway), [a])
  t.equal((await ask(address)).body.toString(), 'a')
  const socket = await openSocket(address)
  const end = closed(socket)
  lists.give([{ url: b, labels: { version: 'new' } }])
  t.match(await logged(gateway, CHANGED), { upstream: 'main', targets: [b] })
  t.equal((await ask(address)).body.toString(), 'b')
  t.equal((await end).code, 1012, 'a session on a target that is gone ends as onRemoved says')
  lists.give([{ url: b, labels: { version: 'new' } }])
  lists.give([b, a])
  await logged(gateway, CHANGED, 2)
  t.same(urls(gateway), [b, a], 'the same list again is no change')
})

t.test('an empty list, and one that is not valid', async t => {
  const a = await namedBackend(t, 'a')
  const { gateway, lists, address } = await discovering(t, [a])
  for (const [index, [list, message]] of ([
    [['nonsense'], /'nonsense' is not a valid target/], ['text', /must be an array/], [[{ url: a, weight: 0 }], /option '0\.weight': must be an integer of at least 1/]
  ] as const).entries()) {
    lists.give(list)
    t.match(await logged(gateway, FAULT, index + 1), { upstream: 'main', err: { message } })
    t.same(urls(gateway), [a], 'those before stay')
  }
  lists.give([])
  await logged(gateway, CHANGED)
  t.match(await ask(address), { status: 503, headers: { 'retry-after': '1' } })
  lists.give([a])
  await logged(gateway, CHANGED, 2)
  t.equal((await ask(address)).status, 200)
})

t.test('lists that fail, end, or never begin', async t => {
  const a = await namedBackend(t, 'a')
  const failing = await startGateway(t, { targets: (async function * () { yield [a]; throw new Error('the registry is gone') })() })
  t.match(await logged(failing, FAULT), { err: { message: 'the registry is gone' } })
  t.same(urls(failing), [a])
  const ending = await startGateway(t, { targets: (async function * () { yield [a] })() })
  t.same(urls(ending), [a])
  const none = await startGateway(t, { targets: (async function * () { yield * [] })() })
  t.equal((await ask(`http://127.0.0.1:${none.port}`)).status, 503)
  const throwing = await startGateway(t, { targets: { [Symbol.asyncIterator] () { throw new Error('at once') } } })
  t.match(await logged(throwing, FAULT), { err: { message: 'at once' } })
  const broken = await startGateway(t, { targets: { [Symbol.asyncIterator]: () => ({ next: async () => 5 as never }) } })
  t.match(await logged(broken, FAULT), { err: { message: /gave no iterator result/ } })
})

t.test('lists without end leave time for requests', async t => {
  const a = await namedBackend(t, 'a')
  let given = 0
  const gateway = await startGateway(t, { targets: (async function * () { for (;;) yield [{ url: a, labels: { number: String(given++) } }] })() })
  t.equal((await ask(`http://127.0.0.1:${gateway.port}`)).body.toString(), 'a')
  await logged(gateway, CHANGED, 3)
  t.ok(given < 1_000, `${given} lists`)
})

t.test('lists are asked for no more when the app closes', async t => {
  const lists = new Lists()
  const app = await gatewayApp(t)
  app.upstream('main', { targets: lists.lists })
  setImmediate(() => lists.give([]))
  await app.ready()
  await app.close()
  t.equal(lists.ended || await new Promise(resolve => setImmediate(() => resolve(true))), true)
  lists.give([])
})

t.test('targets that are found are not set by hand', async t => {
  const a = await namedBackend(t, 'a')
  const { gateway } = await discovering(t, [a])
  t.throws(() => control(gateway).setTargets([a]), { code: 'SLUICE_OPTIONS_INVALID', message: /found by a discovery/ })
  control(gateway).setTarget(a, { state: 'drain' })
  t.match(control(gateway).targets, [{ state: 'drain' }])
})

t.test('the state and the sticky clients of a target outlive a list', async t => {
  const [a, b] = [await namedBackend(t, 'a'), await namedBackend(t, 'b')]
  const { gateway, lists, address } = await discovering(t, [a, b], { sticky: true })
  const { headers, body } = await ask(address)
  const cookie = headers['set-cookie']![0]!.split(';')[0]!
  control(gateway).setTarget(a, { state: 'drain' })
  lists.give([b, a])
  await logged(gateway, CHANGED)
  t.match(control(gateway).targets, [{ url: b, state: 'ready' }, { url: a, state: 'drain' }])
  for (let count = 0; count < 4; count++) t.equal((await ask(address, { headers: { cookie } })).body.toString(), body.toString())
})

t.test('targets of a higher priority number wait until those of the lower are gone', async t => {
  const [a, b, c] = [await namedBackend(t, 'a'), await namedBackend(t, 'b'), await namedBackend(t, 'c')]
  const { gateway, address } = await discovering(t, [{ url: c, priority: 20 }, { url: a, priority: 10 }, { url: b, priority: 10 }])
  const reached = async (): Promise<string> => {
    const names = []
    for (let count = 0; count < 4; count++) names.push((await ask(address)).body.toString())
    return names.sort().join('')
  }
  t.equal(await reached(), 'aabb')
  control(gateway).setTarget(a, { state: 'drain' })
  t.equal(await reached(), 'bbbb')
  control(gateway).setTarget(b, { state: 'drain' })
  t.equal(await reached(), 'cccc')
  t.same(control(gateway).targets.map(({ priority }) => priority), [20, 10, 10])
})

t.test('a request goes on to the next priority when all of its own cannot be reached', async t => {
  const spare = await namedBackend(t, 'spare')
  const gone = 'http://127.0.0.1:1'
  const { address } = await discovering(t, [gone, { url: spare, priority: 1 }])
  t.equal((await ask(address, { method: 'POST', body: 'x' })).body.toString(), 'spare')
})

t.test('a reload with the same options goes on with what was found', async t => {
  const [a, b] = [await namedBackend(t, 'a'), await namedBackend(t, 'b')]
  const file = join(await temporaryFolder(t), 'targets.json')
  await writeFile(file, JSON.stringify([a]))
  const config = (more = {}) => ({ listen: { port: 0 }, upstreams: { main: { targets: { file }, ...more } }, routes: [{ url: '/*', upstream: 'main', websocket: true }] })
  const gateway = createGateway(config(), { logger: false })
  t.teardown(() => gateway.close())
  const address = await gateway.listen()
  t.equal((await ask(address)).body.toString(), 'a')
  const socket = await openSocket(address)
  t.equal((await gateway.reload(config({ retries: 2 }))).sessionsEnded, 0)
  await writeFile(file, JSON.stringify([b, a]))
  while (gateway.upstreams.get('main')!.targets.length < 2) await new Promise(setImmediate)
  t.equal((await gateway.reload(config({ retries: 3 }))).sessionsEnded, 0)
  t.same(gateway.upstreams.get('main')!.targets.map(({ url }) => url), [b, a])
  t.equal(socket.readyState, socket.OPEN)
  const end = once(socket, 'close')
  socket.close()
  await end
})

t.test('a gateway starts when its targets cannot be determined, and says so', async t => {
  const file = join(await temporaryFolder(t), 'missing.json')
  const gateway = await startGateway(t, { targets: { file } })
  t.equal((await ask(`http://127.0.0.1:${gateway.port}`)).status, 503)
  t.match(await logged(gateway, FAULT), { upstream: 'main', err: { message: /missing\.json/ } })
})
