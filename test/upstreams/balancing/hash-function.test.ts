import t from 'tap'
import { echoBackend, httpBackend } from '../../helpers/backends.js'
import { startGateway } from '../../helpers/gateway.js'
import { refusal } from '../../helpers/sockets.js'

t.test('a function that throws, or returns no text, gives 502 and a line in the log', async t => {
  const targets = [(await echoBackend(t)).url, (await echoBackend(t)).url]
  const cases: Array<[() => never, RegExp]> = [
    [() => { throw new Error('no user') }, /no user/],
    [(() => 5) as never, /must return a text or nothing, got number/],
    [(async () => 'late') as never, /must return a text or nothing, got object/]
  ]
  for (const [hash, cause] of cases) {
    const gateway = await startGateway(t, { targets, upstream: { balance: { hash } } })
    const url = `http://127.0.0.1:${gateway.port}`
    const response = await fetch(url)
    t.equal(response.status, 502)
    t.match(await response.json(), { code: 'SLUICE_UPSTREAM_SELECTION' })
    t.match(await refusal(url), { status: 502, body: /SLUICE_UPSTREAM_SELECTION/ })
    t.match(gateway.log.map(({ err }) => JSON.stringify(err)).join(), cause)
  }
})

t.test('one that throws only for the second attempt ends the request, not the process', async t => {
  const broken = await Promise.all([0, 1, 2].map(() => httpBackend(t, request => request.socket.destroy())))
  let calls = 0
  const gateway = await startGateway(t, {
    targets: broken.map(({ url }) => url),
    upstream: { balance: { hash: () => { if (++calls === 2) throw new Error('second'); return 'a' } } }
  })
  t.equal((await fetch(`http://127.0.0.1:${gateway.port}`)).status, 502)
  t.equal(calls, 2)
})
