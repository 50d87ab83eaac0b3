import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'
import { buildSchema, graphql } from 'graphql'
import { createClient, type Client } from 'graphql-ws'
import { useServer } from 'graphql-ws/use/ws'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { listen } from '../../helpers/backends.js'
import { startGateway, type RunningGateway } from '../../helpers/gateway.js'
import { startRecipe } from '../../helpers/recipe.js'

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

t.test('the recipe: queries by HTTP and subscriptions by WebSocket at one path', async t => {
  const target = await graphqlServer(t)
  const { url } = await startRecipe(t, 'graphql', { 'http://127.0.0.1:4000': target })
  const response = await fetch(`${url}/graphql`, { method: 'POST', body: JSON.stringify({ query: '{ hello(name: "you") }' }) })
  t.same(await response.json(), { data: { hello: 'hello you' } })
  const client = connect(t, url, { token: 'right' })
  t.same(await all(client, 'subscription { countdown(from: 1) }'), [{ countdown: 1 }, { countdown: 0 }])
  await t.rejects(all(connect(t, url, { token: 'wrong' }), '{ hello(name: "you") }'), { code: 4403, reason: 'Forbidden' })
})

async function start (t: Test, connectionParams: Record<string, unknown> = { token: 'right' }): Promise<{ client: Client, gateway: RunningGateway }> {
  const gateway = await startGateway(t, { targets: [await graphqlServer(t)] })
  return { client: connect(t, `http://127.0.0.1:${gateway.port}`, connectionParams), gateway }
}

/** A server that takes queries over HTTP, and everything over WebSocket. */
async function graphqlServer (t: Test): Promise<string> {
  const backend = await listen(t, createServer(async (request, response) => {
    const { query } = await json(request) as { query: string }
    response.end(JSON.stringify(await graphql({ schema, source: query, rootValue: roots.query })))
  }))
  const sockets = new WebSocketServer({ server: backend.server, path: '/graphql' })
  const server = useServer({ schema, roots, onConnect: ({ connectionParams }) => connectionParams?.token === 'right' }, sockets)
  t.teardown(() => server.dispose())
  return backend.url
}

function connect (t: Test, url: string, connectionParams: Record<string, unknown>): Client {
  const client = createClient({ url: `${url.replace('http', 'ws')}/graphql`, webSocketImpl: WebSocket, retryAttempts: 0, connectionParams })
  t.teardown(() => client.dispose())
  return client
}

/** The data of every result. */
async function all (client: Client, query: string): Promise<unknown[]> {
  const results: unknown[] = []
  for await (const { data } of client.iterate({ query })) results.push({ ...data })
  return results
}
