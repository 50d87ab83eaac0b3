import type { IncomingMessage, ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import { httpSource } from '../../../src/upstreams/discovery/http.js'
import { httpBackend } from '../../helpers/backends.js'
import { Arrivals, follow } from '../../helpers/follow.js'
import { refusingPort } from '../../helpers/raw-target.js'

const REFRESH = 5
const ONE = 'http://10.0.0.1:8080'
const TWO = { url: 'http://10.0.0.2:8080', weight: 2, labels: { zone: 'zone-a' } }

type Respond = (response: ServerResponse, request: IncomingMessage) => void

const json = (value: unknown, headers = {}): Respond => response => response.writeHead(200, headers).end(JSON.stringify(value))

/** A server with a list, which can get another one, or do something else. */
async function registry (t: Test, respond: Respond) {
  const state = { respond }
  const requests = new Arrivals<IncomingMessage>()
  const { url } = await httpBackend(t, (request, response) => {
    state.respond(response, request)
    requests.push(request)
  })
  return { url: `${url}/targets`, state, requests }
}

t.test('the first list, and those that differ', async t => {
  const { url, state, requests } = await registry(t, json([ONE]))
  const { lists } = follow(t, httpSource({ url: `${url}?a=b`, refresh: REFRESH, headers: { Authorization: 'Bearer secret', 'user-agent': 'other' } }))
  t.same(await lists.next(), [ONE])
  const first = await requests.next()
  t.equal(first.url, '/targets?a=b')
  t.match(first.headers, { accept: 'application/json', 'user-agent': 'other', authorization: 'Bearer secret', 'if-none-match': undefined })
  await requests.next()
  state.respond = json([ONE, TWO])
  t.same(await lists.next(), [ONE, TWO])
  state.respond = json([])
  t.same(await lists.next(), [], 'an empty list is a good one')
  t.equal(lists.rest, 0)
})

t.test('an ETag spares what has not changed', async t => {
  const etags: unknown[] = []
  const current = { etag: '"1"', list: [ONE] as unknown }
  const { url, requests } = await registry(t, (response, request) => {
    etags.push(request.headers['if-none-match'])
    if (request.headers['if-none-match'] === current.etag) response.writeHead(304).end()
    else json(current.list, { ETag: current.etag })(response, request)
  })
  const { lists, fault, faults } = follow(t, httpSource({ url, refresh: REFRESH }))
  t.same(await lists.next(), [ONE])
  t.match((await requests.next()).headers, { 'user-agent': 'sluice' })
  for (let number = 0; number < 2; number++) await requests.next()
  t.same(etags.slice(0, 3), [undefined, '"1"', '"1"'])
  Object.assign(current, { etag: '"2"', list: [TWO] })
  t.same(await lists.next(), [TWO])
  t.equal(faults.rest, 0)
  Object.assign(current, { etag: '"3"', list: 'none' })
  await fault()
  await fault()
  t.equal(etags.at(-1), '"2"', 'that of a bad list is not remembered')
  Object.assign(current, { etag: '"2"' })
  while ((await requests.next()).headers['if-none-match'] !== '"2"');
  Object.assign(current, { etag: '"4"', list: [ONE] })
  t.same(await lists.next(), [ONE])
})

t.test('what goes wrong is reported, and the next list is taken', async t => {
  const cases: Array<[Respond, string | RegExp]> = [
    [response => response.writeHead(503).end('no'), 'it responded with status 503'],
    [response => response.writeHead(304).end(), 'it responded with status 304'],
    [response => response.writeHead(204).end(), 'it responded with status 204'],
    [response => response.writeHead(302, { Location: '/other?token=secret' }).end(), /^it responded with status 302 to 'http:\/\/127\.0\.0\.1:\d+\/other', and redirects are not followed; give the URL of the list itself$/],
    [response => response.writeHead(307, { Location: 'http://user:secret@registry.example/list' }).end(), /^it responded with status 307 to 'http:\/\/registry\.example\/list', and/],
    [response => response.writeHead(301, { Location: 'http://[' }).end(), /^it responded with status 301 to an invalid URL, and/],
    [response => response.end('<html>'), /^it is not valid JSON: /],
    [response => response.end(), /^it is not valid JSON: /],
    [json({ targets: [] }), /^its list: must be an array, got /],
    [json([{ url: ONE, wieght: 1 }]), /^its list: option '0\.wieght': there is no such option; did you mean 'weight'\?/],
    [json(['10.0.0.1:8080']), /^'10\.0\.0\.1:8080' is not a valid target: it has no scheme/],
    [json([ONE, { url: 'ftp://10.0.0.1' }]), /^'ftp:\/\/10\.0\.0\.1' is not a valid target: the scheme/],
    [json([{ url: ONE, host: 'a b' }]), /^'http:\/\/10\.0\.0\.1:8080' is not a valid target: its host 'a b'/],
    [response => response.end(Buffer.alloc(1_048_577, ' ')), 'the response is longer than 1048576 bytes'],
    [(_response, { socket }) => socket.destroy(), /^(socket hang up|read ECONNRESET)$/],
    [(response, { socket }) => { response.write('[', () => socket.destroy()) }, 'the connection broke before the end of the response'],
    [(_response, { socket }) => { socket.end('garbage\r\n\r\n') }, /^Parse Error/]
  ]
  const { url, state } = await registry(t, json([]))
  const prefix = `the targets at '${url}' could not be determined: `
  for (const [respond, expected] of cases) {
    state.respond = respond
    const { lists, fault, end } = follow(t, httpSource({ url: `${url.replace('//', '//user:secret@')}?token=secret`, refresh: REFRESH }))
    const message = await fault()
    t.ok(message.startsWith(prefix), message)
    t.match(message.slice(prefix.length), expected)
    t.notMatch(message, /secret/)
    state.respond = json([ONE])
    t.same(await lists.next(), [ONE])
    await end()
  }
})

t.test('a list with as many bytes as it may have', async t => {
  const { url } = await registry(t, response => response.end('[]'.padEnd(1_048_576)))
  t.same(await follow(t, httpSource({ url, refresh: REFRESH })).lists.next(), [])
})

t.test('credentials in the URL are sent', async t => {
  const { url, requests } = await registry(t, json([]))
  follow(t, httpSource({ url: url.replace('//', '//user:secret@'), refresh: 100_000 }))
  t.equal((await requests.next()).headers.authorization, `Basic ${Buffer.from('user:secret').toString('base64')}`)
})

t.test('a response that does not come', async t => {
  for (const begins of [false, true]) {
    const { url, state } = await registry(t, response => { if (begins) response.write('[') })
    const { lists, fault } = follow(t, httpSource({ url, refresh: REFRESH }))
    t.match(await fault(), /: the response has not ended within 1000 ms$/)
    state.respond = json([ONE])
    t.same(await lists.next(), [ONE])
  }
})

t.test('a server that is not there', async t => {
  // Another one keeps the test going: a source that waits does not.
  await registry(t, json([]))
  const { fault } = follow(t, httpSource({ url: `http://127.0.0.1:${await refusingPort()}`, refresh: REFRESH }))
  t.match(await fault(), /^the targets at 'http:\/\/127\.0\.0\.1:\d+\/' could not be determined: connect ECONNREFUSED/)
  t.match(await fault(), /ECONNREFUSED/)
})

t.test('what is wrong with the options is said at once', async t => {
  for (const [options, message] of [
    [{ url: 'http://user:secret@' }, 'The URL of a list of targets: it is not a valid URL; write it as in https://registry.example/targets.json'],
    [{ url: 'http://a.example/x?secret', headers: { 'bad name': 'x' } }, "The request for 'http://a.example/x': 'bad name' is not a valid header"],
    [{ url: 'http://a.example', headers: { name: 'a\r\nb' } }, "The request for 'http://a.example/': 'name' is not a valid header"]
  ] as const) t.throws(() => httpSource(options), { code: 'SLUICE_OPTIONS_INVALID', message })
})

t.test('it ends at whatever point it is', async t => {
  const { url, requests, state } = await registry(t, () => {})
  const asking = follow(t, httpSource({ url, refresh: 100_000 }))
  const { socket } = await requests.next()
  const closed = new Promise(resolve => socket.on('close', resolve))
  await asking.end()
  await closed
  t.equal(asking.faults.rest, 0)
  state.respond = json([ONE])
  const waiting = follow(t, httpSource({ url, refresh: 100_000 }))
  await waiting.lists.next()
  await waiting.end()
  const signal = AbortSignal.abort()
  for await (const list of httpSource({ url })({ signal, report: error => t.fail(error.message) })) t.notOk(list)
})

t.test('it ends when it is not read any more, also while it waits', async t => {
  const { url, requests, state } = await registry(t, json([ONE]))
  const { signal } = new AbortController()
  const listsOf = (refresh: number) => httpSource({ url, refresh })({ signal, report: error => { t.fail(error.message) } })[Symbol.asyncIterator]()
  for (const isAsking of [false, true]) {
    const lists = listsOf(isAsking ? REFRESH : 100_000)
    t.same(await lists.next(), { done: false, value: [ONE] })
    await requests.next()
    state.respond = () => {}
    const next = lists.next()
    if (isAsking) await requests.next()
    await lists.return!()
    t.same(await next, { done: true, value: undefined })
    state.respond = json([ONE])
  }
  t.equal(requests.rest, 0)
})
