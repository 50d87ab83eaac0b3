import { readFileSync } from 'node:fs'
import t from 'tap'
import { ROOT, tableOf } from '../../docs/markdown.js'
import { runCommand, startCommand } from '../../helpers/command.js'
import { rawTarget, refusingPort } from '../../helpers/raw-target.js'
import { outcome, session, situations, LIMIT } from './comparison/situations.js'
import { caddy, haproxy, nginx, peers, programs, readmeHttpProxy } from './comparison/peers.js'

/*
 * The README's comparison: each cell of its table is what is measured here. When a proxy gets better, or worse, this
 * fails, and the table is to be corrected.
 */

t.setTimeout(240_000) // Each cell has a process of its own.
t.jobs = 2

const rows = tableOf('README.md', 'Compared with others')

t.test('the table has these rows and columns', { buffered: true }, async t => {
  t.same(rows.map(row => row['When']), Object.keys(situations))
  t.same(Object.keys(rows[0]!), ['When', ...peers.map(({ name }) => name)])
})

for (const [when, measure] of Object.entries(situations)) {
  for (const peer of peers) {
    t.test(`${when}: ${peer.name}`, { buffered: true }, async t => {
      t.equal(await measure(t, peer), rows.find(row => row['When'] === when)?.[peer.name])
    })
  }
}

t.test('the versions', { buffered: true }, async t => {
  const readme = readFileSync(`${ROOT}README.md`, 'utf8')
  const packageVersion = (name: string): string => JSON.parse(readFileSync(`${ROOT}node_modules/${name}/package.json`, 'utf8')).version
  const nginxSays = startCommand(t, programs.nginx, ['-v'])
  await nginxSays.ended
  const versions: Record<string, string> = {
    nginx: nginxSays.stderr,
    HAProxy: await runCommand(t, programs.haproxy, ['-v']),
    Caddy: await runCommand(t, programs.caddy, ['version'])
  }
  for (const [name, text] of Object.entries(versions)) t.match(readme, `${name} ${/\d+\.\d+/.exec(text)![0]}`)
  for (const name of ['http-proxy', 'httpxy', '@fastify/http-proxy']) t.match(readme, `${name} ${packageVersion(name)}`)
})

// What the notes below the table say.

for (const peer of [nginx, haproxy]) {
  t.test(`${peer.name}: a graceful stop can have a limit, and cuts sessions then`, { buffered: true }, async t => {
    const target = await rawTarget(t)
    const running = await peer.start(t, { targetPort: target.port, deadline: LIMIT })
    const { client } = await session(t, running, target)
    await running.quit()
    t.equal(await client.rest(), '')
  })
}

t.test('nginx: proxy_read_timeout also ends sessions that are idle', { buffered: true }, async t => {
  const target = await rawTarget(t)
  const { client } = await session(t, await nginx.start(t, { targetPort: target.port, limit: LIMIT }), target)
  t.equal(await client.rest(), '')
})

t.test('Caddy: this version has no stream_close_delay', { buffered: true }, async t => {
  await t.rejects(caddy.start(t, { targetPort: 1, deadline: LIMIT }), /unrecognized subdirective stream_close_delay/)
})

t.test('http-proxy: the listener for errors of its README ends the process', { buffered: true }, async t => {
  const targetPort = await refusingPort()
  const running = await readmeHttpProxy.start(t, { targetPort })
  t.equal(await outcome(t, running, targetPort), 'closed without a response')
  t.equal(await running.command.ended, 1)
  t.match(running.command.stderr, /TypeError: res.writeHead is not a function/)
})
