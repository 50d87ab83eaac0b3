import { PassThrough, type Readable } from 'node:stream'
import t from 'tap'
import { ask } from '../../helpers/ask.js'
import { gatewayApp, httpBackend } from '../../helpers/backends.js'

t.test('hooks can keep answers, and give them without a target', async t => {
  let asked = 0
  const backend = await httpBackend(t, (_request, response) => {
    asked++
    response.writeHead(200, { 'content-type': 'text/plain', 'cache-control': 'max-age=60' }).end(`answer ${asked}`)
  })
  const app = await gatewayApp(t)
  const kept = new Map<string, Buffer>()
  app.addHook('onRequest', async (request, reply) => {
    const body = kept.get(request.url)
    if (body !== undefined) return reply.header('age', '1').type('text/plain').send(body)
  })
  app.addHook('onSend', async (request, reply, payload) => {
    if (kept.has(request.url) || reply.getHeader('cache-control') !== 'max-age=60') return payload
    const chunks: Buffer[] = []
    return (payload as Readable).pipe(new PassThrough())
      .on('data', (chunk: Buffer) => { chunks.push(chunk) })
      .on('end', () => { kept.set(request.url, Buffer.concat(chunks)) })
  })
  app.proxy('/*', { upstream: backend.url })
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const first = await ask(`${address}/a`)
  t.match([first.headers, first.body.toString()], [{ age: undefined }, 'answer 1'])
  const { headers, body } = await ask(`${address}/a`)
  t.match([headers, body.toString()], [{ age: '1' }, 'answer 1'])
  t.equal(asked, 1)
})

t.test('conditional requests are between client and target', async t => {
  const backend = await httpBackend(t, (request, response) => {
    const known = request.headers['if-none-match'] === '"1"'
    response.writeHead(known ? 304 : 200, { etag: '"1"', 'cache-control': 'no-cache' }).end(known ? undefined : 'text')
  })
  const app = await gatewayApp(t)
  app.proxy('/*', { upstream: backend.url })
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  t.match(await ask(address), { status: 200, headers: { etag: '"1"' } })
  const { status, headers, body } = await ask(address, { headers: { 'if-none-match': '"1"' } })
  t.match([status, headers, body.length], [304, { etag: '"1"', 'cache-control': 'no-cache', 'content-length': undefined }, 0])
})
