import { once } from 'node:events'
import t, { type Test } from 'tap'
import type { WebSocket } from 'ws'
import { httpBackend } from '../helpers/backends.js'
import { echoed, proxyApp, tryHandshake, watchedTarget, type WatchedTarget } from '../helpers/http-proxy.js'
import { startCommand } from '../helpers/command.js'
import { handshake } from '../helpers/raw-client.js'
import { refusingPort } from '../helpers/raw-target.js'
import { closed } from '../helpers/sockets.js'
import { Wire } from '../helpers/wire.js'

/*
 * What the original does with WebSockets, and what ours does: the table of docs/from-fastify-http-proxy.md. When the original
 * changes, a test here fails.
 */

interface Difference {
  target? (t: Test): Promise<{ url: string }>
  /** What is seen through either. */
  look (t: Test, url: string, target: WatchedTarget, close: () => Promise<unknown>): Promise<unknown>
  theirs: unknown
  ours: unknown
}

async function ending (t: Test, url: string): Promise<unknown> {
  const { status, socket } = await tryHandshake(t, url)
  return status === 101 ? [status, (await closed(socket)).code] : [status]
}

/** The session's other end, at the target. */
async function opened (t: Test, url: string, target: WatchedTarget): Promise<{ client: WebSocket, server: WebSocket }> {
  const connected = once(target.sockets, 'connection') as Promise<[WebSocket]>
  const { socket: client } = await tryHandshake(t, url)
  const [server] = await connected
  await echoed(client)
  return { client, server }
}

const DIFFERENCES: Record<string, Difference> = {
  'the target is down': {
    target: async () => ({ url: `http://127.0.0.1:${await refusingPort()}` }),
    look: ending,
    theirs: [101, 1011],
    ours: [502]
  },
  'the target refuses': {
    target: async t => {
      const backend = await httpBackend(t, () => {})
      backend.server.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'))
      return backend
    },
    look: ending,
    theirs: [101, 1011],
    ours: [401]
  },
  'several subprotocols': {
    target: t => watchedTarget(t, { server: { handleProtocols: (offered: Set<string>) => [...offered].at(-1)! } }),
    look: async (t, url, target) => {
      const { socket } = await tryHandshake(t, url, ['one', 'two'])
      await echoed(socket)
      return [target.seen[0]!.headers['sec-websocket-protocol'], socket.protocol]
    },
    theirs: ['one', 'one'],
    ours: ['one,two', 'two']
  },
  'headers of the 101': {
    look: async (t, url, target) => {
      target.sockets.on('headers', headers => headers.push('Set-Cookie: a=1'))
      return (await tryHandshake(t, url)).headers['set-cookie']
    },
    theirs: undefined,
    ours: ['a=1']
  },
  'headers of the handshake': {
    look: async (t, url, target) => {
      const { socket } = await tryHandshake(t, url, [], { headers: { authorization: 'Bearer x', cookie: 'a=1' }, origin: 'https://page.test' })
      await echoed(socket)
      const { headers } = target.seen[0]!
      return ['authorization', 'origin', 'cookie', 'x-forwarded-for'].map(name => headers[name])
    },
    theirs: [undefined, undefined, 'a=1', undefined],
    ours: ['Bearer x', 'https://page.test', 'a=1', '127.0.0.1']
  },
  'a ping of the client': {
    look: async (t, url, target) => {
      const { client } = await opened(t, url, target)
      let pongs = 0
      client.on('pong', () => pongs++)
      client.ping('a')
      await echoed(client, 'a')
      await echoed(client, 'b')
      await echoed(client, 'c')
      return pongs
    },
    theirs: 2,
    ours: 1
  },
  'a Close without a code': {
    look: async (t, url, target) => {
      const { client, server } = await opened(t, url, target)
      client.close()
      return (await closed(server)).code
    },
    theirs: 4005,
    ours: 1005
  },
  'a target that is lost': {
    look: async (t, url, target) => {
      const { client, server } = await opened(t, url, target)
      server.terminate()
      return (await closed(client)).code
    },
    theirs: 4006,
    ours: 1006
  },
  'app.close()': {
    look: async (t, url, target, close) => {
      const { client, server } = await opened(t, url, target)
      const codes = Promise.all([closed(client), closed(server)])
      await close()
      return (await codes).map(({ code }) => code)
    },
    theirs: [1005, 4005],
    ours: [1012, 1012]
  },
  'dot segments of one dot': {
    look: async (t, url) => {
      const client = await Wire.connect(t, Number(new URL(url).port))
      client.write(handshake({ path: '/a/%2e/b' }))
      return (await client.head()).start.split(' ')[1]
    },
    theirs: '101',
    ours: '400'
  }
}

for (const [name, { target: start = watchedTarget, look, theirs, ours }] of Object.entries(DIFFERENCES)) {
  t.test(name, async t => {
    for (const original of [true, false]) {
      const target = await start(t) as WatchedTarget
      const { app, url } = await proxyApp(t, { upstream: target.url, websocket: true }, { original })
      t.same(await look(t, url, target, () => app.close()), original ? theirs : ours, original ? 'the original' : 'ours')
    }
  })
}

/** An app that sends handshakes to a port where TLS is not spoken, in a process of its own. */
const program = (module: string, target: string): string => `
  import Fastify from 'fastify'
  import httpProxy from '${module}'
  const app = Fastify()
  app.register(httpProxy, { upstream: '', websocket: true, replyOptions: { getUpstream: () => '${target}' } })
  console.log('at', await app.listen({ port: 0, host: '127.0.0.1' }))
`

t.test('an error of a target with a long message', async t => {
  const target = await watchedTarget(t)
  const [theirs, ours] = await Promise.all(['@fastify/http-proxy', new URL('../../src/http-proxy/index.ts', import.meta.url).href].map(async module => {
    const child = startCommand(t, process.execPath, ['--import=tsx', '--input-type=module', '--eval', program(module, target.url.replace('http', 'https'))])
    const [, url] = await child.output(/^at (.+)\n/)
    const { status } = await tryHandshake(t, url!)
    if (status === 101) return [status, await child.ended]
    return [status, (await tryHandshake(t, url!)).status]
  }))
  t.same(theirs, [101, 1], 'the original ends with its process')
  t.same(ours, [502, 502])
})
