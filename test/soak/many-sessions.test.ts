import { execSync } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { WebSocket } from 'ws'
import { handshake } from '../helpers/raw-client.js'
import { Program, times } from './program.js'
import type { EchoTargetsResponses } from './programs/echo-targets.js'
import type { ServiceResponses } from './programs/service.js'

/* Issue 11: whoever looks at 10,000 sessions does not stop them. */

const descriptors = Number(execSync('ulimit -Hn', { shell: '/bin/bash' }).toString())
/** SESSIONS=<n> for another number. Each takes two descriptors of the gateway. */
const SESSIONS = Number(process.env.SESSIONS ?? Math.min(10_000, Math.floor((descriptors - 200) / 2)))
/** Milliseconds for which nothing may stop the event loop. */
const LONGEST = 20
const ROUNDS = 20
/** How many say something in each pause between two questions. */
const BUSY = 500
/** A text frame with five bytes, masked with zeros. */
const HELLO = Buffer.from([0x81, 0x85, 0, 0, 0, 0, ...Buffer.from('hello')])

t.setTimeout(180_000)

t.test(`${SESSIONS} sessions are listed, sorted, filtered, sampled and counted without a stall`, async t => {
  const [gateway, targets] = [new Program<ServiceResponses>('service', t), new Program<EchoTargetsResponses>('echo-targets', t)]
  const port = await gateway.ask('start', {
    listen: { port: 0 },
    admin: { port: 0 },
    upstreams: { app: { targets: [`http://127.0.0.1:${await targets.ask('port')}`] } },
    routes: ['a', 'b', 'c'].map(name => ({ url: `/${name}/*`, upstream: 'app', websocket: { pingInterval: false } }))
  })
  const admin = await gateway.ask('admin')
  const sockets: Socket[] = []
  t.teardown(() => { for (const socket of sockets) socket.destroy() })
  await times(SESSIONS, 50, async index => {
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    socket.write(handshake({ path: `/${'abc'[index % 3]!}/${index}` }))
    const [head] = await once(socket, 'data') as [Buffer]
    if (!head.toString('latin1').startsWith('HTTP/1.1 101')) throw new Error(head.toString())
    socket.resume()
    sockets.push(socket)
  })
  t.equal(await gateway.ask('sessions'), SESSIONS)

  const page = new WebSocket(`${admin.replace('http', 'ws')}/api/feed`)
  t.teardown(() => page.terminate())
  await once(page, 'open')
  const samples = async (count: number): Promise<void> => { for (let index = 0; index < count; index++) await once(page, 'message') }

  const questions: Record<string, () => Promise<unknown>> = {
    'nothing but samples': () => samples(2),
    metrics: async () => { await (await fetch(`${admin}/metrics`)).text() },
    ...Object.fromEntries(['age', 'rate', 'messages', 'route', 'client'].map(sort => [`sorted by ${sort}`, async () => {
      const { total } = await (await fetch(`${admin}/api/sessions?sort=${sort}&descending=true&limit=1000`)).json() as { total: number }
      if (total !== SESSIONS) throw new Error(`${total} sessions`)
    }])),
    'found by a text': async () => { await (await fetch(`${admin}/api/sessions?text=no+such+text`)).json() },
    'a page that sorts and filters': async () => {
      page.send(JSON.stringify({ type: 'view', sessions: { filter: { text: 'a' }, sort: 'rate', descending: true, offset: 0, limit: 100 } }))
      await samples(2)
    }
  }
  const longest: Record<string, number> = {}
  for (const [name, ask] of Object.entries(questions)) {
    await ask()
    const stalls: number[] = []
    for (let round = 0; round < (name.includes('sampl') || name.includes('page') ? 3 : ROUNDS); round++) {
      for (let index = 0; index < BUSY; index++) sockets[(round * BUSY + index) % SESSIONS]!.write(HELLO)
      await gateway.ask('longestStall')
      await ask()
      stalls.push(await gateway.ask('longestStall'))
    }
    // One round may meet a collection of garbage, which is nobody's doing.
    longest[name] = stalls.sort((one, other) => one - other)[stalls.length >> 1]!
    t.comment(`${name}: ${longest[name].toFixed(1)} ms, at the most ${stalls.at(-1)!.toFixed(1)} ms`)
  }
  for (const [name, stall] of Object.entries(longest)) t.ok(stall <= LONGEST, `${name}: ${stall.toFixed(1)} ms`)
})
