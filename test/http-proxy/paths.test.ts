import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { handshake } from '../helpers/raw-client.js'
import { proxyApp, tryHandshake, watchedTarget, type AnyOptions } from '../helpers/http-proxy.js'

/*
 * The path that the target is asked for is that of @fastify/http-proxy itself, which is registered here with the same
 * options beside ours.
 */

const SETTINGS: Record<string, { options: AnyOptions, fastify?: object, paths: string[] }> = {
  'no prefix': { options: {}, paths: ['/', '/a', '/a/', '/a/b?x=1&y=%20z', '/caf%C3%A9', '/a%2Fb', '/a?b?c'] },
  'a prefix': { options: { prefix: '/shop' }, paths: ['/shop', '/shop/', '/shop?x=1', '/shop/a?x=1', '/sh%6Fp/a', '/shopping', '/other', '/shop/a%20b', '/shop/%5Ba%5D'] },
  'a prefix with a slash at its end': { options: { prefix: '/shop/' }, paths: ['/shop', '/shop/', '/shop/a', '/shop/a/'] },
  'a prefix and rewritePrefix': { options: { prefix: '/shop', rewritePrefix: '/v1' }, paths: ['/shop', '/shop/', '/shop/a', '/shop/a/b?x=1', '/shop/..%2f..%2fsecret', '/shop/%2e%2e/secret'] },
  'rewritePrefix with a slash at its end': { options: { prefix: '/shop', rewritePrefix: '/v1/' }, paths: ['/shop', '/shop/a'] },
  'rewritePrefix without a prefix': { options: { rewritePrefix: '/v1' }, paths: ['/', '/a', '/a?x'] },
  'a parameter': { options: { prefix: '/api/:tenant/x', rewritePrefix: '/:tenant/y' }, paths: ['/api/one/x', '/api/one/x/a?b', '/api/caf%C3%A9/x/a', '/api/..%2F..%2Fsecret/x', '/api/a%2Fb/x/c', '/api/one/other'] },
  'two parameters': { options: { prefix: '/:a/:b', rewritePrefix: '/:b/:a' }, paths: ['/one/two', '/one/two/three'] },
  'a parameter that is dropped': { options: { prefix: '/api/:tenant' }, paths: ['/api/one', '/api/one/a'] },
  routes: { options: { prefix: '/shop', routes: ['/', '/chat', '/rooms/:id'] }, paths: ['/shop', '/shop/chat', '/shop/rooms/7', '/shop/other'] },
  preRewrite: { options: { prefix: '/shop', rewritePrefix: '/v1', preRewrite: (url: string, params: Record<string, string>, prefix: string) => url.replace('/old', `/new${prefix.length}${params['*'] ?? ''}`) }, paths: ['/shop/old', '/shop/old/a?x=1', '/shop/a'] },
  'preRewrite that leads out': { options: { prefix: '/shop', rewritePrefix: '/v1', preRewrite: () => '/secret' }, paths: ['/shop/a'] },
  'preRewrite that gives a URL': { options: { prefix: '/shop', rewritePrefix: '/v1', preRewrite: () => 'http://127.0.0.1:1/v1' }, paths: ['/shop/a'] },
  'preRewrite that gives another host': { options: { prefix: '/shop', preRewrite: () => '//127.0.0.1:1/v1' }, paths: ['/shop/a'] },
  ignoreTrailingSlash: { options: { prefix: '/shop/', rewritePrefix: '/v1' }, fastify: { routerOptions: { ignoreTrailingSlash: true } }, paths: ['/shop', '/shop/', '/shop/a'] },
  'caseSensitive: false': { options: { prefix: '/Shop', rewritePrefix: '/v1' }, fastify: { routerOptions: { caseSensitive: false } }, paths: ['/shop/a', '/SHOP/A'] }
}

/** The status, and the path of the handshake as the target has seen it. */
async function statusOf (t: Test, port: number, path: string): Promise<number> {
  return await new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(handshake({ path })))
    t.teardown(() => socket.destroy())
    socket.on('error', reject).once('data', (data: Buffer) => resolve(Number(data.toString().split(' ')[1])))
  })
}

for (const [name, { options, fastify = {}, paths }] of Object.entries(SETTINGS)) {
  for (const upstreamPath of ['', '/base/']) {
    t.test(`${name}, with an upstream ${upstreamPath === '' ? 'without a path' : upstreamPath}`, async t => {
      const target = await watchedTarget(t)
      const given = { upstream: `${target.url}${upstreamPath}`, websocket: true, ...options }
      const theirs = await proxyApp(t, given, { original: true, fastify })
      const ours = await proxyApp(t, given, { fastify })
      for (const path of paths) {
        const results: Array<[number, string | undefined]> = []
        for (const { port } of [theirs, ours]) {
          const before = target.seen.length
          const status = await statusOf(t, port, path)
          if (status === 101 && target.seen.length === before) await new Promise(resolve => target.sockets.once('connection', resolve))
          results.push([status, target.seen[before]?.url])
        }
        t.same(results[1], results[0], `${path} → ${results[0]!.join(' ')}`)
      }
    })
  }
}

t.test('wsUpstream takes the place of upstream, without its path', async t => {
  const [target, other] = [await watchedTarget(t), await watchedTarget(t)]
  for (const wsUpstream of [target.url, target.url.replace('http', 'ws'), `${target.url}/ignored?x#y`]) {
    const { url } = await proxyApp(t, { upstream: `${other.url}/base`, wsUpstream, prefix: '/shop', websocket: true })
    t.equal((await tryHandshake(t, `${url}/shop/a?b`)).status, 101)
    t.equal(target.seen.at(-1)!.url, '/base/a?b', 'what takes the place of the prefix is from upstream, as in the original')
    t.equal(await (await fetch(`${url}/shop/a?b`)).text(), 'GET /base/a?b')
  }
  t.equal(other.seen.length, 0)
})

t.test('without upstream, requests have no place to go', async t => {
  const target = await watchedTarget(t)
  const { url } = await proxyApp(t, { wsUpstream: target.url, prefix: '/ws', rewritePrefix: '/v1', websocket: true })
  t.equal((await tryHandshake(t, `${url}/ws/a`)).status, 101)
  t.equal(target.seen[0]!.url, '/v1/a')
  const response = await fetch(`${url}/ws/a`)
  t.equal(response.status, 502)
  t.notMatch(await response.text(), '127.0.0.1')
})

t.test('wsClientOptions.queryString', async t => {
  const target = await watchedTarget(t)
  const calls: unknown[][] = []
  const cases: Array<[unknown, string, string]> = [
    [{ q: 'test', list: ['a', 'b'] }, '/a?x=1', '/a?q=test&list=a&list=b'],
    [{}, '/a?x=1', '/a'],
    [(...args: unknown[]) => { calls.push(args); return 'y=2' }, '/a?x=1', '/a?y=2'],
    [() => '', '/a?x=1', '/a'],
    [() => 'a b#c', '/a', '/a?a%20b%23c']
  ]
  for (const [queryString, path, expected] of cases) {
    const { url } = await proxyApp(t, { upstream: target.url, websocket: true, wsClientOptions: { queryString } })
    t.equal((await tryHandshake(t, url + path)).status, 101)
    t.equal(target.seen.at(-1)!.url, expected)
  }
  t.same(calls[0]!.slice(0, 2), ['?x=1', '/a?x=1'])
  t.match(calls[0]![2], { query: { x: '1' } }, 'and the request')
})

t.test('what a target may read in another way is refused before it is asked', async t => {
  const target = await watchedTarget(t)
  const { port } = await proxyApp(t, { upstream: target.url, prefix: '/shop', rewritePrefix: '/v1', websocket: true })
  for (const path of ['/shop/../secret', '/shop/a\\..\\..\\secret', '/shop/%', '/shop//127.0.0.1/x/../y', '/shop/%E9%ZZ', '/shop/a%00/../b']) t.equal(await statusOf(t, port, path), 400, path)
  t.equal(target.seen.length, 0)
})
