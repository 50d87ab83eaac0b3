import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'
import { buildSchema, graphql } from 'graphql'
import { createClient } from 'graphql-ws'
import { useServer } from 'graphql-ws/use/ws'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { listen } from '../../helpers/backends.js'
import { recipeText, startRecipeProgram } from '../../helpers/recipe.js'
import { startVite } from '../../helpers/vite.js'
import { hotReloadAt } from './hot-reload.js'

/* docs/from-fastify-http-proxy.md: an app with a GraphQL server and Vite behind it, moved by one line. */

const PROGRAMS = ['fastify-http-proxy/before', 'fastify-http-proxy']

t.test('the programs differ in one line', async t => {
  const [before, after] = PROGRAMS.map(name => recipeText(name).split('\n'))
  t.same(after!.filter(line => !before!.includes(line)), ["import httpProxy from 'sluice/http-proxy'"])
  t.equal(after!.length, before!.length)
})

for (const name of PROGRAMS) {
  t.test(name, async t => {
    const vite = await startVite(t, 'before the edit')
    const { url } = await startRecipeProgram(t, name, { 'http://127.0.0.1:4000': await graphqlServer(t), 'http://127.0.0.1:5173': vite.url })
    t.equal(await (await fetch(`${url}/health`)).text(), 'ok')

    const response = await fetch(`${url}/api/one/graphql`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query: '{ hello }' }) })
    t.same(await response.json(), { data: { hello: 'hello' } })
    const client = createClient({ url: `${url.replace('http', 'ws')}/api/one/graphql`, webSocketImpl: WebSocket, retryAttempts: 0 })
    t.teardown(() => client.dispose())
    const results: unknown[] = []
    for await (const { data } of client.iterate({ query: 'subscription { countdown(from: 2) }' })) results.push({ ...data })
    t.same(results, [{ countdown: 2 }, { countdown: 1 }, { countdown: 0 }])

    await hotReloadAt(t, vite, url)
  })
}

const schema = buildSchema(`
  type Query { hello: String! }
  type Subscription { countdown(from: Int!): Int! }
`)

/** A server that takes queries over HTTP, and everything over WebSocket. */
async function graphqlServer (t: Test): Promise<string> {
  const roots = {
    query: { hello: 'hello' },
    subscription: {
      countdown: async function * ({ from }: { from: number }) {
        for (let countdown = from; countdown >= 0; countdown--) yield { countdown }
      }
    }
  }
  const backend = await listen(t, createServer(async (request, response) => {
    const { query } = await json(request) as { query: string }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(await graphql({ schema, source: query, rootValue: roots.query })))
  }))
  const sockets = new WebSocketServer({ server: backend.server, path: '/graphql' })
  const server = useServer({ schema, roots }, sockets)
  t.teardown(() => server.dispose())
  return backend.url
}
