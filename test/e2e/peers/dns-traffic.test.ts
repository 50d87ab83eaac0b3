import t from 'tap'
import { startDnsmasq } from '../../helpers/dnsmasq.js'
import { startGateway, type RunningGateway } from '../../helpers/gateway.js'
import { serversAt } from '../../helpers/servers-at.js'
import { closed, openSocket } from '../../helpers/sockets.js'

/** Requests one after another until it is stopped: by whom they were served, or what went wrong. */
function traffic (port: number) {
  const seen = new Map<string, number>()
  const state = { isOver: false }
  const over = (async () => {
    while (!state.isOver) {
      const who = await fetch(`http://127.0.0.1:${port}`).then(async response => response.ok ? await response.text() : `status ${response.status}`, error => String(error))
      seen.set(who, (seen.get(who) ?? 0) + 1)
    }
  })()
  return {
    /** Since it was asked for last. */
    seen () {
      const names = [...seen.keys()].sort()
      seen.clear()
      return names
    },
    end () {
      state.isOver = true
      return over
    }
  }
}

/** Resolves when these are the targets. */
async function targets ({ app }: RunningGateway, ...urls: string[]): Promise<void> {
  while (app.gateway.upstreams.get('main')!.targets.map(({ url }) => url).join() !== urls.join()) await new Promise(setImmediate)
}

t.test('records that change, disappear and come back are followed without a failed request', async t => {
  const { port } = await serversAt(t, '127.0.0.1', '127.0.0.2', '127.0.0.3')
  const url = (last: number) => `http://127.0.0.${last}:${port}`
  const server = await startDnsmasq(t, ['127.0.0.1 app.test', '127.0.0.2 app.test'])
  const gateway = await startGateway(t, {
    targets: { dns: { name: 'app.test', port, servers: server.servers, refresh: 100 } }, route: { websocket: { onRemoved: 'close' } }, upstream: { balance: { handshakes: 'first' } }
  })
  await targets(gateway, url(1), url(2))
  const socket = await openSocket(`http://127.0.0.1:${gateway.port}`)
  const ended = closed(socket)
  const load = traffic(gateway.port)
  await server.setHosts(['127.0.0.3 app.test', '127.0.0.2 app.test'])
  let since = performance.now()
  await targets(gateway, url(2), url(3))
  t.comment(`a change was followed within ${Math.round(performance.now() - since)} ms, with refresh: 100`)
  t.equal((await ended).code, 1012, 'a session on an address that is gone ends as onRemoved says')
  load.seen()
  await server.queries(2)
  t.strictSame(load.seen().filter(name => !['127.0.0.2', '127.0.0.3'].includes(name)), [])

  await server.stop()
  while (!gateway.log.some(({ msg }) => String(msg).includes('could not be determined'))) await new Promise(setImmediate)
  await targets(gateway, url(2), url(3))
  t.strictSame(load.seen().filter(name => !['127.0.0.2', '127.0.0.3'].includes(name)), [], 'the last list is kept while the server is gone')
  await server.start()
  await server.setHosts(['127.0.0.1 app.test'])
  since = performance.now()
  await targets(gateway, url(1))
  await load.end()
  t.strictSame(load.seen().filter(name => !/^127\.0\.0\.[123]$/.test(name)), [])

  await server.setHosts([])
  await targets(gateway)
  t.equal((await fetch(`http://127.0.0.1:${gateway.port}`)).status, 503, 'no records three times in a row are no targets')
  await server.setHosts(['127.0.0.2 app.test'])
  await targets(gateway, url(2))
  t.equal(await (await fetch(`http://127.0.0.1:${gateway.port}`)).text(), '127.0.0.2')
})

t.test('services with weights and priorities', async t => {
  const { port } = await serversAt(t, '127.0.0.1', '127.0.0.2', '127.0.0.3')
  const server = await startDnsmasq(t, ['127.0.0.1 a.test', '127.0.0.2 b.test', '127.0.0.3 spare.test'], [
    `--srv-host=_http._tcp.app.test,a.test,${port},10,1`, `--srv-host=_http._tcp.app.test,b.test,${port},10,3`, `--srv-host=_http._tcp.app.test,spare.test,${port},20,1`
  ])
  const gateway = await startGateway(t, { targets: { dns: { name: '_http._tcp.app.test', type: 'srv', servers: server.servers } } })
  const counts: Record<string, number> = {}
  for (let count = 0; count < 40; count++) {
    const who = await (await fetch(`http://127.0.0.1:${gateway.port}`)).text()
    counts[who] = (counts[who] ?? 0) + 1
  }
  t.same(counts, { '127.0.0.1': 10, '127.0.0.2': 30 })
  const control = gateway.app.gateway.upstreams.get('main')!
  for (const last of [1, 2]) control.setTarget(`http://127.0.0.${last}:${port}`, { state: 'maintenance' })
  t.equal(await (await fetch(`http://127.0.0.1:${gateway.port}`)).text(), '127.0.0.3')
})
