import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { KubernetesOptions } from '../../../src/options/index.js'
import { kubernetesSource, type Times } from '../../../src/upstreams/discovery/kubernetes.js'
import { httpBackend } from '../../helpers/backends.js'
import { selfSigned } from '../../helpers/certificates.js'
import { follow } from '../../helpers/follow.js'
import { endpoint, kubernetesApi, podTarget, type ApiRequest, type KubernetesApi, type SliceParts } from '../../helpers/kubernetes-api.js'
import { refusingPort } from '../../helpers/raw-target.js'
import { temporaryFolder } from '../../helpers/temporary-folder.js'

const FAST: Partial<Times> = { delay: 1 }

function sourceFor (api: KubernetesApi, options: Partial<KubernetesOptions> = {}, times = FAST) {
  return kubernetesSource({ service: 'app', api: api.url, serviceAccount: api.folder, ...options }, times)
}

/** The first list, or the first fault, of an API server with such slices. */
async function firstOf (t: Test, slices: Record<string, SliceParts>, options: Partial<KubernetesOptions> = {}) {
  const api = await kubernetesApi(t)
  for (const [name, slice] of Object.entries(slices)) api.put(name, slice)
  const { lists, fault, end } = follow(t, sourceFor(api, options))
  const first = await Promise.race([lists.next(), fault()])
  await end()
  return first
}

/** A server with one slice, whose list has been had, and whose watch is open. */
async function watched (t: Test, options: Partial<KubernetesOptions> = {}, times = FAST) {
  const api = await kubernetesApi(t)
  api.put('app-1', { endpoints: [endpoint('10.0.0.1')] })
  const following = follow(t, sourceFor(api, options, times))
  const list = await api.requests.next()
  t.same(await following.lists.next(), [podTarget('10.0.0.1')])
  return { api, ...following, list, watch: await api.requests.next() }
}

t.test('they are listed and then watched', async t => {
  const { api, list, watch, lists } = await watched(t)
  t.same(list.query, { labelSelector: 'kubernetes.io/service-name=app', limit: '100' })
  t.match(list.headers, { authorization: 'Bearer token-1', accept: 'application/json', 'user-agent': 'sluice' })
  const { timeoutSeconds, ...query } = watch.query
  t.same(query, { labelSelector: 'kubernetes.io/service-name=app', watch: '1', resourceVersion: '1001', allowWatchBookmarks: 'true' })
  t.ok(Number(timeoutSeconds) >= 192 && Number(timeoutSeconds) <= 288, timeoutSeconds!)
  api.put('app-2', { endpoints: [endpoint('10.0.0.2'), endpoint('10.0.0.3')] })
  t.same(await lists.next(), ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map(address => podTarget(address)))
  api.put('app-1', { endpoints: [endpoint('10.0.0.9')] })
  t.same(await lists.next(), ['10.0.0.2', '10.0.0.3', '10.0.0.9'].map(address => podTarget(address)))
  api.delete('app-2')
  t.same(await lists.next(), [podTarget('10.0.0.9')])
  api.put('app-1', { endpoints: null })
  t.same(await lists.next(), [], 'none is a good list')
})

t.test('what changes nothing gives no list', async t => {
  const { api, lists } = await watched(t)
  api.put('other-1', { service: 'other', endpoints: [endpoint('10.0.1.1')] })
  api.put('app-1', { endpoints: [endpoint('10.0.0.1', { nodeName: 'worker-2' })] })
  api.bookmark()
  api.write('\n')
  api.put('app-2', { endpoints: [endpoint('10.0.0.0')] })
  t.same(await lists.next(), [podTarget('10.0.0.0'), podTarget('10.0.0.1')])
  t.equal(lists.rest, 0)
})

t.test('without any slice, there are no targets', async t => {
  t.same(await firstOf(t, {}), [])
  t.same(await firstOf(t, { 'app-1': { endpoints: null, ports: null } }), [])
})

t.test('which endpoints are ready', async t => {
  t.same(await firstOf(t, {
    'app-1': {
      endpoints: [
        endpoint('10.0.0.1', { conditions: { ready: false, serving: true, terminating: true } }),
        endpoint('10.0.0.2', { conditions: {} }),
        endpoint('10.0.0.3', { conditions: { ready: null } }),
        endpoint('10.0.0.4', { conditions: null }),
        { addresses: ['10.0.0.5', '10.0.0.6'] },
        { addresses: [] }
      ]
    }
  }), [...['10.0.0.2', '10.0.0.3', '10.0.0.4'].map(address => podTarget(address)), { url: 'http://10.0.0.5:8080' }])
})

t.test('labels say what is known', async t => {
  t.same(await firstOf(t, {
    'app-1': {
      endpoints: [
        endpoint('10.0.0.1', { zone: null }),
        endpoint('10.0.0.2', { targetRef: null }),
        endpoint('10.0.0.3', { targetRef: { kind: 'Node', name: 'worker-1' }, zone: undefined })
      ]
    }
  }), [
    { url: 'http://10.0.0.1:8080', labels: { pod: 'app-10-0-0-1' } },
    { url: 'http://10.0.0.2:8080', labels: { zone: 'zone-a' } },
    { url: 'http://10.0.0.3:8080' }
  ])
})

t.test('which port, and which scheme', async t => {
  const endpoints = [{ addresses: ['10.0.0.1'] }]
  const http = { name: 'http', port: 8080, protocol: 'TCP' }
  const metrics = { name: 'metrics', port: 9090, protocol: 'TCP' }
  const secure = { url: 'https://10.0.0.1:8443', host: 'app.shop.svc' }
  const cases: Array<[object[], Partial<KubernetesOptions>, unknown]> = [
    [[{ name: '', port: 80 }], {}, [{ url: 'http://10.0.0.1:80' }]],
    [[{ name: null, port: 80, protocol: 'TCP' }], {}, [{ url: 'http://10.0.0.1:80' }]],
    [[http, { name: 'dns', port: 53, protocol: 'UDP' }], {}, [{ url: 'http://10.0.0.1:8080' }]],
    [[http, metrics], { port: 'metrics' }, [{ url: 'http://10.0.0.1:9090' }]],
    [[http, metrics], { port: 8080 }, [{ url: 'http://10.0.0.1:8080' }]],
    [[http, { ...http, name: 'http-too' }], { port: 8080 }, [{ url: 'http://10.0.0.1:8080' }]],
    [[http, metrics], {}, /^the Kubernetes Service 'app' in the namespace 'shop' at https:.* has several TCP ports; choose one with 'port': http \(8080\), metrics \(9090\)$/],
    [[{ port: 80 }, metrics], {}, /choose one with 'port': metrics \(9090\), one without a name \(80\)$/],
    [[http, metrics], { port: 'web' }, /'app' in the namespace 'shop' at .* has no TCP port 'web'; it has http \(8080\), metrics \(9090\)$/],
    [[{ name: 'dns', port: 53, protocol: 'UDP' }, { name: 'any', port: null }], { port: 53 }, []],
    [[{ ...http, port: 8443, appProtocol: 'https' }], {}, [secure]],
    [[{ ...http, port: 8443, appProtocol: 'kubernetes.io/wss' }], {}, [secure]],
    [[{ ...http, appProtocol: 'kubernetes.io/h2c' }], {}, [{ url: 'http://10.0.0.1:8080' }]],
    [[{ ...http, port: 8443 }], { scheme: 'https' }, [secure]],
    [[{ ...http, appProtocol: 'https' }], { scheme: 'http' }, [{ url: 'http://10.0.0.1:8080' }]]
  ]
  for (const [ports, options, expected] of cases) {
    const first = await firstOf(t, { 'app-1': { endpoints, ports } }, options)
    const name = JSON.stringify([ports, options])
    if (expected instanceof RegExp) t.match(first, expected, name)
    else t.same(first, expected, name)
  }
})

t.test('each slice has its own number for a port', async t => {
  t.same(await firstOf(t, {
    'app-1': { endpoints: [endpoint('10.0.0.1')] },
    'app-2': { endpoints: [endpoint('10.0.0.2')], ports: [{ name: 'http', port: 9090 }] },
    'app-3': { endpoints: [endpoint('10.0.0.3')], ports: null }
  }), [podTarget('10.0.0.1'), podTarget('10.0.0.2', 9090)])
})

t.test('a port that cannot be chosen is reported once, and targets stay until it can', async t => {
  const { api, lists, fault, faults } = await watched(t)
  const ports = [{ name: 'http', port: 8080 }, { name: 'metrics', port: 9090 }]
  const endpoints = [endpoint('10.0.0.2')]
  api.put('app-1', { endpoints, ports })
  t.match(await fault(), /has several TCP ports/)
  api.put('app-1', { endpoints, ports })
  api.put('app-1', { endpoints })
  t.same(await lists.next(), [podTarget('10.0.0.2')])
  t.equal(faults.rest, 0)
})

t.test('of a dual-stack Service, one family', async t => {
  const ipv4 = { endpoints: [endpoint('10.0.0.1')] }
  const ipv6 = { addressType: 'IPv6', endpoints: [endpoint('fd00::1')] }
  const name = { addressType: 'FQDN', endpoints: [{ addresses: ['app.example'] }] }
  t.same(await firstOf(t, { a: name, b: ipv6, c: ipv4 }), [podTarget('10.0.0.1')])
  t.same(await firstOf(t, { a: name, b: ipv6, c: { endpoints: null } }), [podTarget('fd00::1')])
  t.same(await firstOf(t, { a: name, c: { ...ipv6, endpoints: [] } }), [{ url: 'http://app.example:8080' }])
  t.same(await firstOf(t, { a: name }, { scheme: 'https' }), [{ url: 'https://app.example:8080' }], 'its certificate bears that name')
  t.same(await firstOf(t, { a: ipv6 }, { scheme: 'https' }), [{ ...podTarget('fd00::1'), url: 'https://[fd00::1]:8080', host: 'app.shop.svc' }])
  t.same(await firstOf(t, { c: { endpoints: [endpoint('10.0.0.1', { conditions: { ready: false } })] }, b: ipv6 }), [], 'both families are the same pods')
})

t.test('an endpoint in two slices is one target', async t => {
  t.same(await firstOf(t, {
    b: { endpoints: [endpoint('10.0.0.1', { zone: 'zone-b' }), endpoint('10.0.0.2')] },
    a: { endpoints: [endpoint('10.0.0.1'), endpoint('10.0.0.2', { conditions: { ready: false } })] }
  }), [podTarget('10.0.0.1'), podTarget('10.0.0.2')])
})

t.test('pages', async t => {
  const api = await kubernetesApi(t)
  api.page = 2
  for (let number = 1; number <= 5; number++) api.put(`app-${number}`, { endpoints: [endpoint(`10.0.0.${number}`)] })
  const { lists } = follow(t, sourceFor(api))
  t.same(await lists.next(), [1, 2, 3, 4, 5].map(number => podTarget(`10.0.0.${number}`)))
  const tokens = [await api.requests.next(), await api.requests.next(), await api.requests.next()].map(({ query }) => query.continue)
  t.same(tokens, [undefined, 'Mg==', 'NA=='])
  t.match(await api.requests.next(), { isWatch: true, query: { resourceVersion: '1005' } })
})

t.test('events in pieces, also within characters', async t => {
  const { api, lists } = await watched(t)
  api.isChopped = true
  const zone = 'zone-ä€😀'
  api.put('app-2', { endpoints: [{ addresses: ['10.0.0.2'], zone }] })
  t.same(await lists.next(), [podTarget('10.0.0.1'), { url: 'http://10.0.0.2:8080', labels: { zone } }])
  api.isChopped = false
  const slice = (name: string, address: string) => JSON.stringify({ type: 'ADDED', object: { metadata: { name, resourceVersion: '2000' }, addressType: 'IPv4', endpoints: [endpoint(address)], ports: [{ port: 8080, name: 'http' }] } })
  api.write(`${slice('app-3', '10.0.0.3')}\n${slice('app-4', '10.0.0.4')}\n${slice('app-5', '10.0.0.5').slice(0, 10)}`)
  t.equal((await lists.next()).length, 3)
  t.equal((await lists.next()).length, 4)
  api.write(`${slice('app-5', '10.0.0.5').slice(10)}\n`)
  t.equal((await lists.next()).length, 5)
})

t.test('a watch that ends goes on from the last version, without a list', async t => {
  const { api, lists, faults } = await watched(t)
  api.put('app-2', { endpoints: [endpoint('10.0.0.2')] })
  await lists.next()
  api.endWatches()
  t.match(await api.requests.next(), { isWatch: true, query: { resourceVersion: '1002' } })
  for (let number = 0; number < 10; number++) api.advance()
  api.bookmark()
  api.endWatches()
  t.match(await api.requests.next(), { isWatch: true, query: { resourceVersion: '1012' } })
  api.delete('app-2')
  await lists.next()
  api.endWatches()
  t.match(await api.requests.next(), { isWatch: true, query: { resourceVersion: '1013' } })
  t.equal(faults.rest, 0)
})

t.test('a watch that ends without an event, after its time', async t => {
  // Nothing is shorter than that.
  const { api, faults } = await watched(t, {}, { delay: 0 })
  for (let number = 0; number < 2; number++) {
    api.endWatches()
    t.match(await api.requests.next(), { isWatch: true, query: { resourceVersion: '1001' } })
  }
  t.equal(faults.rest, 0)
})

t.test('what happens between two watches is not missed', async t => {
  const { api, lists } = await watched(t)
  const held = new Promise<ApiRequest>(resolve => {
    api.override = request => {
      resolve(request)
      return true
    }
  })
  api.bookmark()
  api.endWatches()
  const request = await held
  api.put('app-2', { endpoints: [endpoint('10.0.0.2')] })
  api.serve(request)
  t.same(await lists.next(), [podTarget('10.0.0.1'), podTarget('10.0.0.2')])
})

t.test('after events are gone, there is a new list at once', async t => {
  for (const hasStatus of [true, false]) {
    const api = await kubernetesApi(t)
    api.put('app-1', { endpoints: [endpoint('10.0.0.1')] })
    api.override = request => {
      if (!request.isWatch) return false
      api.override = () => false
      if (hasStatus) return api.refuse(request, 410, 'Expired', 'The resourceVersion for the provided watch is too old.')
      api.put('app-2', { endpoints: [endpoint('10.0.0.2')] })
      api.compact()
      return false
    }
    // Were it waited for, the test would not end.
    const { lists, faults } = follow(t, sourceFor(api, {}, { delay: 100_000 }))
    t.same(await lists.next(), [podTarget('10.0.0.1')])
    if (!hasStatus) t.same(await lists.next(), [podTarget('10.0.0.1'), podTarget('10.0.0.2')])
    const requests = []
    for (let number = 0; number < 4; number++) requests.push(await api.requests.next())
    t.same(requests.map(({ isWatch }) => isWatch), [false, true, false, true])
    t.equal(faults.rest, 0)
  }
})

t.test('where a new list does not help, that is a failure', async t => {
  const api = await kubernetesApi(t)
  api.override = request => request.isWatch && api.refuse(request, 410, 'Expired', 'too old resource version: 1 (2)')
  const { fault } = follow(t, sourceFor(api))
  t.match(await fault(), /^the endpoints of the Kubernetes Service 'app' in the namespace 'shop' at https:.* could not be determined: status 410, too old resource version: 1 \(2\)$/)
})

t.test('the token of a next page that has expired', async t => {
  const api = await kubernetesApi(t)
  api.page = 1
  for (const name of ['app-1', 'app-2']) api.put(name, { endpoints: [endpoint(`10.0.0.${name.at(-1)}`)] })
  api.override = request => {
    if (request.query.continue === undefined) return false
    api.override = () => false
    return api.refuse(request, 410, 'Expired', 'The provided continue parameter is too old to display a consistent list result.')
  }
  const { lists } = follow(t, sourceFor(api, {}, { delay: 100_000 }))
  t.same(await lists.next(), [podTarget('10.0.0.1'), podTarget('10.0.0.2')])
})

t.test('what is refused, and what helps', async t => {
  const api = await kubernetesApi(t)
  const forbidden = 'endpointslices.discovery.k8s.io is forbidden: User "system:serviceaccount:shop:sluice" cannot list resource "endpointslices" in API group "discovery.k8s.io" in the namespace "shop"'
  api.override = request => api.refuse(request, 403, 'Forbidden', forbidden)
  const { fault, end } = follow(t, sourceFor(api))
  const message = await fault()
  await end()
  t.match(message, /^the endpoints of the Kubernetes Service 'app' in the namespace 'shop' at https:\/\/127\.0\.0\.1:\d+\/ could not be determined: the service account may not list and watch endpointslices\.discovery\.k8s\.io in the namespace 'shop'; give it a Role with the verbs list and watch for them/)
  t.ok(message.endsWith(`(status 403, ${forbidden})`))
  const cases: Array<[(request: ApiRequest) => void, RegExp]> = [
    [request => api.refuse(request, 401, 'Unauthorized', 'Unauthorized'), /the service account may not list .* \(status 401, Unauthorized\)$/],
    [request => api.serve({ ...request, path: '/other' }), /: the API server has no discovery\.k8s\.io\/v1, which needs Kubernetes 1\.21 or later \(status 404\)$/],
    [request => api.refuse(request, 500, 'InternalError', 'etcdserver: leader changed'), /: the API server responded with status 500, etcdserver: leader changed$/],
    [({ response }) => response.writeHead(503).end('<html>'), /: the API server responded with status 503$/],
    [({ response }) => response.writeHead(500).end(Buffer.alloc(65_537)), /: the API server responded with status 500$/],
    [({ response }) => response.writeHead(302, { location: '/' }).end(), /: the API server responded with status 302$/],
    [({ response }) => response.end('<html>'), /: the list is not valid JSON: /],
    [({ response }) => response.end('{"items":[]}'), /: the list is not as in discovery\.k8s\.io\/v1: metadata must be an object, but is missing$/],
    [({ response }) => response.end('{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"a","resourceVersion":"1"},"addressType":"IPv4","endpoints":[{}]}]}'), /: the list is not as in discovery\.k8s\.io\/v1: items\.0\.endpoints\.0\.addresses must be an array, but is missing$/],
    [({ response }) => response.end(Buffer.alloc(16 * 1_048_576 + 1, ' ')), /: the response is longer than 16777216 bytes$/],
    [({ socket }) => socket.destroy(), /: (socket hang up|read ECONNRESET)$/],
    [({ response, socket }) => { response.write('{', () => socket.destroy()) }, /: the connection broke before the end of the response$/]
  ]
  for (const [respond, expected] of cases) {
    api.override = request => {
      respond(request)
      return true
    }
    const { fault, end } = follow(t, sourceFor(api))
    t.match(await fault(), expected)
    await end()
  }
})

t.test('an API server that cannot be reached', async t => {
  const api = await kubernetesApi(t)
  const { fault } = follow(t, sourceFor(api, { api: `https://user:secret@127.0.0.1:${await refusingPort()}/?secret` }))
  const message = await fault()
  t.match(message, /at https:\/\/127\.0\.0\.1:\d+\/ could not be determined: connect ECONNREFUSED/)
  t.notMatch(message, /secret/)
})

t.test('an API server that goes and comes back', async t => {
  const { api, lists, fault } = await watched(t)
  api.isGone = true
  api.breakWatches()
  t.match(await fault(), /could not be determined: the connection broke before the end of the response$/)
  for (let number = 0; number < 3; number++) t.match(await fault(), /could not be determined: /)
  api.delete('app-1')
  api.put('app-2', { endpoints: [endpoint('10.0.0.2')] })
  t.equal(lists.rest, 0)
  api.isGone = false
  t.same(await lists.next(), [podTarget('10.0.0.2')])
})

t.test('after a list that brings nothing new, watching goes on', async t => {
  const { api, lists, fault } = await watched(t)
  api.breakWatches()
  await fault()
  t.match(await api.requests.next(), { isWatch: false })
  t.match(await api.requests.next(), { isWatch: true })
  api.put('app-1', { endpoints: [endpoint('10.0.0.2')] })
  t.same(await lists.next(), [podTarget('10.0.0.2')])
})

t.test('events that are none', async t => {
  const cases: Array<[string, RegExp]> = [
    ['garbage\n', /: an event is not valid JSON: /],
    ['{"type":"ADDED","object":{}}\n', /: an event is not as in discovery\.k8s\.io\/v1: object\./],
    ['{"type":"RENAMED","object":{"metadata":{"name":"a","resourceVersion":"1"}}}\n', /: an event is not as in discovery\.k8s\.io\/v1: /],
    ['{"type":"ERROR","object":{"kind":"Status","code":500,"message":"etcd is gone"}}\n', /: the API server responded with status 500, etcd is gone$/],
    ['{"type":"ERROR","object":{}}\n', /: the API server responded with status 0, an error without a message$/],
    [' '.repeat(16 * 1_048_576 + 1), /: a line of the response is longer than 16777216 bytes$/]
  ]
  const { api, lists, fault } = await watched(t)
  for (const [index, [text, expected]] of cases.entries()) {
    api.write(text)
    t.match(await fault(), expected)
    t.match(await api.requests.next(), { isWatch: false })
    api.put('app-1', { endpoints: [endpoint(`10.0.1.${index}`)] })
    t.same(await lists.next(), [podTarget(`10.0.1.${index}`)])
    t.match(await api.requests.next(), { isWatch: true })
  }
})

t.test('an event that is cut off, and one without its newline', async t => {
  const { api, lists, fault } = await watched(t)
  api.write(JSON.stringify({ type: 'DELETED', object: { metadata: { name: 'app-1', resourceVersion: '1001' } } }))
  api.endWatches()
  t.same(await lists.next(), [])
  t.match(await api.requests.next(), { isWatch: true, query: { resourceVersion: '1001' } })
  api.write('{"type":"ADDED"')
  api.endWatches()
  t.match(await fault(), /: an event is not valid JSON: /)
})

t.test('a watch that ends at once is a failure', async t => {
  const api = await kubernetesApi(t)
  api.override = ({ isWatch, response }) => {
    if (isWatch) response.end()
    return isWatch
  }
  // The first of them may have come too late to be one.
  const { fault } = follow(t, sourceFor(api, {}, { delay: 50 }))
  t.match(await fault(), /: the API server ended the watch at once$/)
})

t.test('a connection that falls silent is given up', async t => {
  const { api, fault, watch, lists } = await watched(t, {}, { delay: 1, life: 200, grace: 100 })
  t.equal(watch.query.timeoutSeconds, '1')
  t.match(await fault(), /: nothing came for \d+ ms$/)
  t.match(await api.requests.next(), { isWatch: false })
  api.put('app-1', { endpoints: [endpoint('10.0.0.2')] })
  t.same(await lists.next(), [podTarget('10.0.0.2')])
})

t.test('a list that takes too long is given up', async t => {
  for (const begins of [false, true]) {
    const api = await kubernetesApi(t)
    api.override = ({ response }) => {
      if (begins) response.write('{')
      return true
    }
    const { fault } = follow(t, sourceFor(api, {}, { delay: 1, list: 200 }))
    t.match(await fault(), /: the response has not ended within 200 ms$/)
    await (await api.requests.next()).closed
  }
})

t.test('the token and the authority are read for each request', async t => {
  const { api, lists, watch, fault } = await watched(t)
  t.equal(watch.headers.authorization, 'Bearer token-1')
  api.tokens.delete('token-1')
  api.tokens.add('token-2')
  writeFileSync(join(api.folder, 'token'), 'token-2\n')
  api.put('app-1', { endpoints: [endpoint('10.0.0.2')] })
  await lists.next()
  api.endWatches()
  t.match(await api.requests.next(), { isWatch: true, headers: { authorization: 'Bearer token-2' } })
  const ca = readFileSync(join(api.folder, 'ca.crt'), 'utf8')
  writeFileSync(join(api.folder, 'ca.crt'), (await selfSigned(t, 'IP:127.0.0.1')).cert)
  api.breakWatches()
  await fault()
  t.match(await fault(), /certificate/)
  api.put('app-1', { endpoints: [endpoint('10.0.0.3')] })
  writeFileSync(join(api.folder, 'ca.crt'), ca)
  t.same(await lists.next(), [podTarget('10.0.0.3')])
})

t.test('files that are missing', async t => {
  const api = await kubernetesApi(t)
  for (const name of ['token', 'ca.crt']) {
    const other = await kubernetesApi(t)
    rmSync(join(other.folder, name))
    const { fault, end } = follow(t, sourceFor(other, { api: api.url }))
    const message = await fault()
    t.ok(message.endsWith(`: the file '${join(other.folder, name)}' cannot be read (ENOENT); run the gateway in a pod with a service account, or name its folder in 'serviceAccount'`), message)
    await end()
  }
  rmSync(join(api.folder, 'namespace'))
  const { fault, end } = follow(t, sourceFor(api))
  t.match(await fault(), /^the endpoints of the Kubernetes Service 'app' at https.*\/namespace' cannot be read \(ENOENT\); .*; or give 'namespace'$/)
  await end()
  t.equal(api.requests.rest, 0)
  const { lists } = follow(t, sourceFor(api, { namespace: 'shop' }))
  t.same(await lists.next(), [])
})

t.test('a token that no header may hold', async t => {
  const api = await kubernetesApi(t)
  writeFileSync(join(api.folder, 'token'), 'some\ngarbage')
  // A timer that went on after that would find no request.
  const { fault } = follow(t, sourceFor(api, {}, { delay: 10, list: 1 }))
  for (let number = 0; number < 3; number++) t.match(await fault(), /: Invalid character in header content \["Authorization"\]$/)
})

t.test('over plain HTTP, none of the files is needed; a path stays', async t => {
  const asked: Array<[string, string | undefined]> = []
  const { url } = await httpBackend(t, (request, response) => {
    asked.push([request.url!, request.headers.authorization])
    response.end('{"metadata":{"resourceVersion":"1"},"items":null}')
  })
  const folder = await temporaryFolder(t)
  for (const api of [`${url}/k8s/c-1/`, url]) {
    const { lists, end } = follow(t, kubernetesSource({ service: 'app', namespace: 'shop', api, serviceAccount: folder }))
    t.same(await lists.next(), [])
    await end()
  }
  const list = '/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dapp&limit=100'
  t.same(asked.filter(([url]) => !url.includes('watch')), [[`/k8s/c-1${list}`, undefined], [list, undefined]])
  writeFileSync(join(folder, 'token'), 'token-1')
  const { lists, end } = follow(t, kubernetesSource({ service: 'app', namespace: 'shop', api: url, serviceAccount: folder }))
  await lists.next()
  await end()
  t.ok(asked.some(([, authorization]) => authorization === 'Bearer token-1'))
})

t.test('the API server of the cluster', async t => {
  const { KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT } = process.env
  t.teardown(() => {
    for (const [name, value] of Object.entries({ KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT })) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  })
  for (const host of ['127.0.0.1', '::1']) {
    const api = await kubernetesApi(t, host)
    process.env.KUBERNETES_SERVICE_HOST = host
    process.env.KUBERNETES_SERVICE_PORT = new URL(api.url).port
    api.put('app-1', { endpoints: [endpoint('10.0.0.1')] })
    const { lists, end } = follow(t, kubernetesSource({ service: 'app', serviceAccount: api.folder }))
    t.same(await lists.next(), [podTarget('10.0.0.1')])
    await end()
  }
  delete process.env.KUBERNETES_SERVICE_HOST
  const { fault } = follow(t, kubernetesSource({ service: 'app', namespace: 'shop' }))
  t.equal(await fault(), "the endpoints of the Kubernetes Service 'app' in the namespace 'shop' could not be determined: KUBERNETES_SERVICE_HOST is not set; run the gateway in a pod, or give the URL of the API server in 'api'")
})

t.test('what is wrong with the options is said at once', async t => {
  const cases: Array<[Partial<KubernetesOptions>, RegExp]> = [
    [{ service: 'shop/app' }, /^The targets of the Kubernetes Service 'shop\/app': 'shop\/app' is not a valid name of a Service or a namespace/],
    [{ namespace: '..' }, /'\.\.' is not a valid name/],
    [{ api: 'https://' }, /option 'api' is not a valid URL/]
  ]
  for (const [options, message] of cases) t.throws(() => kubernetesSource({ service: 'app', ...options }), { code: 'SLUICE_OPTIONS_INVALID', message })
})

t.test('it ends at whatever point it is', async t => {
  const api = await kubernetesApi(t)
  api.override = () => true
  const listing = follow(t, sourceFor(api))
  const list = await api.requests.next()
  await listing.end()
  await list.closed
  const { end, watch, faults } = await watched(t)
  await end()
  await watch.closed
  t.equal(faults.rest + listing.faults.rest, 0)
  api.isGone = true
  const waiting = follow(t, sourceFor(api, {}, { delay: 100_000 }))
  await waiting.fault()
  await waiting.end()
  const signal = AbortSignal.abort()
  for await (const list of sourceFor(api)({ signal, report: error => t.fail(error.message) })) t.notOk(list)
})

t.test('it ends when it is not read any more, also while it waits', async t => {
  const api = await kubernetesApi(t)
  const { signal } = new AbortController()
  const listsOf = () => sourceFor(api)({ signal, report: error => { t.fail(error.message) } })
  api.put('app-1', { endpoints: [endpoint('10.0.0.1')] })
  for await (const list of listsOf()) {
    t.same(list, [podTarget('10.0.0.1')])
    if (list.length === 1) break
  }
  t.match(await api.requests.next(), { isWatch: false })
  t.equal(api.requests.rest, 0, 'there has been no watch')
  for (const isUsed of [false, true]) {
    const lists = listsOf()[Symbol.asyncIterator]()
    await lists.next()
    const next = lists.next()
    await api.requests.next()
    const watch = await api.requests.next()
    if (isUsed) {
      api.delete('app-1')
      t.same(await next, { done: false, value: [] })
    }
    await lists.return!()
    if (!isUsed) t.same(await next, { done: true, value: undefined })
    await watch.closed
  }
})
