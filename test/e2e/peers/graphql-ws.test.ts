import { createServer } from 'node:http'
import { buildSchema } from 'graphql'
import { createClient, type Client } from 'graphql-ws'
import { useServer } from 'graphql-ws/use/ws'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { listen } from '../../helpers/backends.js'
import { startGateway, type RunningGateway } from '../../helpers/gateway.js'

const schema = buildSchema(`
  type Query { hello(name: String!): String! }
  type Subscription { countdown(from: Int!): Int! }
`)

const roots = {
  query: { hello: ({ name }: { name: string }) => `hello ${name}` },
  subscription: {
    countdown: async function * ({ from }: { from: number }) {
      for (let countdown = from; countdown >= 0; countdown--) yield { countdown }
    }
  }
}

t.test('graphql-ws queries and subscribes', async t => {
  const { client, gateway } = await start(t)
  t.same(await all(client, 'query { hello(name: "grüße") }'), [{ hello: 'hello grüße' }])
  t.same(await all(client, 'subscription { countdown(from: 3) }'), [3, 2, 1, 0].map(countdown => ({ countdown })))
  // The client opens a socket when it needs one.
  await gateway.ended(2)
  t.match(gateway.ends, [{ by: 'client', reason: 'close', code: 1000 }, { by: 'client', reason: 'close', code: 1000 }])
})

t.test('a client of graphql-ws that the server does not want learns its code', async t => {
  const { client, gateway } = await start(t, { token: 'wrong' })
  await t.rejects(all(client, 'query { hello(name: "you") }'), { code: 4403, reason: 'Forbidden' })
  await gateway.ended()
  t.match(gateway.ends, [{ by: 'target', reason: 'close', code: 4403 }])
})

async function start (t: Test, connectionParams: Record<string, unknown> = { token: 'right' }): Promise<{ client: Client, gateway: RunningGateway }> {
  const backend = await listen(t, createServer())
  const sockets = new WebSocketServer({ server: backend.server, path: '/graphql' })
  const server = useServer({ schema, roots, onConnect: ({ connectionParams }) => connectionParams?.token === 'right' }, sockets)
  t.teardown(() => server.dispose())
  const gateway = await startGateway(t, { targets: [backend.url] })
  const client = createClient({ url: `ws://127.0.0.1:${gateway.port}/graphql`, webSocketImpl: WebSocket, retryAttempts: 0, connectionParams })
  t.teardown(() => client.dispose())
  return { client, gateway }
}

/** The data of every result. */
async function all (client: Client, query: string): Promise<unknown[]> {
  const results: unknown[] = []
  for await (const { data } of client.iterate({ query })) results.push({ ...data })
  return results
}
