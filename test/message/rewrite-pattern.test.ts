import t from 'tap'
import { rewriteByPattern } from '../../src/message/rewrite-pattern.js'
import { startGateway } from '../helpers/gateway.js'
import { httpBackend } from '../helpers/backends.js'
import { handshake } from '../helpers/raw-client.js'
import { Wire } from '../helpers/wire.js'

// Issue 8, item 24: no pattern of a user's backtracks on client input without a bound.

t.test('a pattern rewrites as String.replace() would', async t => {
  const patterns = [
    '^/v(\\d+)/(.*)$', '^/(?<name>[a-z]+)', 'x*', '/', '(/a)?(/b)?$', 'b|ab|abc', '(a*)*', '(a*?)(b?)', '\\d{2,3}?', '(?:)', '^(?:/([^/]*))*$',
    '\\u0061', '[^]*', '\\/[/]', '[\\w-]+$', '\\bx', '\\x2f', '\\$', '%20', '~', '\\\\A', '\\.html?$', '^/(?:one|two)(/|$)', 'é'
  ]
  const replacements = ['', '/new', '/$1', '$&$&', '$$', '$`-', "$'", '$10', '$01', '$<name>', '$2', '$0', '$', '\\1']
  const paths = ['/', '/v2/abc', '/ab', '/aabb', '/xxx', '/a/b', '/v22/', '/\xe9', '/a$b', '/abc/x/y', '/one', '/two/three.htm', '/%20', '//', '/~x']
  for (const pattern of patterns) {
    for (const replacement of replacements) {
      const rewrite = rewriteByPattern({ pattern, replacement })
      for (const path of paths) t.equal(rewrite(path), path.replace(new RegExp(pattern), replacement), `${pattern} ${replacement} ${path}`)
    }
  }
})

/** The engine of JavaScript would take from minutes to the age of the universe for these. */
const SLOW: Record<string, [pattern: string, path: (length: number) => string]> = {
  'nested repetitions': ['^/(a+)+$', length => `/${'a'.repeat(length - 2)}!`],
  'alternatives that overlap': ['^/(?:a|a)*$', length => `/${'a'.repeat(length - 2)}!`],
  'alternatives of segments': ['^(?:/[^/]+|/a)*$', length => `${'/a'.repeat(length / 2 - 1)}/!\n`],
  'repetitions in a row': ['a*a*a*a*a*a*b', length => 'a'.repeat(length)],
  'segments in a row': ['^/(.*)/(.*)/(.*)/(.*)/(.*)\\.html$', length => '/'.repeat(length)],
  'repetitions of nothing': ['^(?:a?){20}a{20}$', length => 'a'.repeat(length)],
  'a search from everywhere': ['a+$', length => `${'a'.repeat(length - 1)}!`]
}

t.test('the time of a pattern grows with the length of the path and with nothing else', async t => {
  for (const [name, [pattern, path]] of Object.entries(SLOW)) {
    const rewrite = rewriteByPattern({ pattern, replacement: '' })
    let shortest = Infinity
    let longest = 0
    for (const length of [4, 8, 16].map(kilobytes => kilobytes * 1024)) {
      const given = path(length)
      // The first calls are slower, and the machine may be busy.
      const times = [1, 2, 3].map(() => {
        const start = performance.now()
        t.equal(typeof rewrite(given), 'string')
        return performance.now() - start
      })
      longest = Math.min(...times)
      shortest = Math.min(shortest, longest)
    }
    t.ok(longest < 500 && longest < 20 * shortest + 50, `${name}: ${shortest.toFixed(1)} to ${longest.toFixed(1)} ms`)
  }
})

t.test('a path that is too long for its pattern is refused', async t => {
  const backend = await httpBackend(t, (request, response) => { response.end(request.url) })
  const { port } = await startGateway(t, {
    targets: [backend.url],
    // Some 500 states.
    route: { websocket: true, rewrite: { pattern: '^/[^/]{1,250}', replacement: '/new' } }
  })
  for (const [length, start] of [[1000, 'HTTP/1.1 200 OK'], [2100, 'HTTP/1.1 414 URI Too Long']] as const) {
    const path = `/${'a'.repeat(200)}/${'b'.repeat(length - 202)}`
    const client = await Wire.connect(t, port)
    client.write(`GET ${path}?${'q'.repeat(2000)} HTTP/1.1\r\nHost: x\r\n\r\n`)
    t.equal((await client.head()).start, start)
    if (length < 2000) continue
    client.end()
    t.match(await client.rest(), /SLUICE_PATH_TOO_LONG/)
    const other = await Wire.connect(t, port)
    other.write(handshake({ path }))
    t.equal((await other.head()).start, start, 'also in a handshake')
  }
})

t.test('every pattern that is taken has room for a path of 2,048 characters', async t => {
  t.ok(rewriteByPattern({ pattern: '^/[^/]{1,250}$', replacement: '' })('/'.repeat(2048)))
  t.ok(rewriteByPattern({ pattern: '^/v(\\d+)/(.*)$', replacement: '/$2' })('/'.repeat(64 * 1024)))
})

t.test('a pattern without a bound is refused at start, with what to do', async t => {
  for (const pattern of ['^/(?!internal)', '(?=a)b', '(?<=a)b', '(?<!a)b', 'a{1,1001}', '(?:a{1,100}){1,100}']) {
    t.throws(() => rewriteByPattern({ pattern, replacement: '' }), { message: /has no bound on the time that it takes: .* use a function/ }, pattern)
  }
  for (const pattern of ['(a)\\1', '(?<n>a)\\k<n>', '\\p{L}', '\\Afoo\\z']) {
    t.throws(() => rewriteByPattern({ pattern, replacement: '' }), { message: /is not supported\. .* use a function/ }, pattern)
  }
  for (const pattern of ['[^/]{1,400}', '(?:a{1,100}){1,10}']) {
    t.throws(() => rewriteByPattern({ pattern, replacement: '' }), { message: /is too large with its counted repetitions/ }, pattern)
  }
  for (const pattern of ['(', 'a**', '[b-a]']) {
    t.throws(() => rewriteByPattern({ pattern, replacement: '' }), { name: 'SyntaxError', message: /Invalid regular expression/ }, pattern)
  }
  const backend = await httpBackend(t, (request, response) => { response.end(request.url) })
  const rewrite = { pattern: '^/(?!internal)', replacement: '/public/' }
  await t.rejects(startGateway(t, { targets: [backend.url], route: { rewrite } }), { code: 'SLUICE_OPTIONS_INVALID', message: /^Route '\/\*': option 'rewrite\.pattern': '\^\/\(\?!internal\)' has no bound/ })
  const { port } = await startGateway(t, { targets: [backend.url], route: { rewrite: path => path.replace(new RegExp(rewrite.pattern), rewrite.replacement) } })
  t.equal(await (await fetch(`http://127.0.0.1:${port}/x`)).text(), '/public/x', 'a function may be anything')
})
