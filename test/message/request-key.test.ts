import type { FastifyRequest } from 'fastify'
import t from 'tap'
import { keyOf, type KeySource } from '../../src/message/request-key.js'

const read = (source: KeySource) => keyOf(source, 'some.key', cause => new Error('no key', { cause }))

t.test('where a key comes from', async t => {
  const request = {
    headers: { 'x-user': 'a', cookie: 'session=b; other="c d"; session=late', 'set-cookie': ['1', '2'] },
    ip: '10.0.0.1',
    url: '/rooms/1?room=%C3%BC&room=2'
  } as unknown as FastifyRequest
  const cases: Array<[KeySource, string | null | undefined]> = [
    ['address', '10.0.0.1'],
    ['path', '/rooms/1'],
    [{ header: 'X-User' }, 'a'],
    [{ header: 'Set-Cookie' }, '1, 2'],
    [{ header: 'missing' }, undefined],
    [{ cookie: 'session' }, 'b'],
    [{ cookie: 'other' }, 'c d'],
    [{ cookie: 'ssion' }, undefined],
    [{ query: 'room' }, 'ü'],
    [{ query: 'none' }, null],
    [({ ip }) => `ip ${ip}`, 'ip 10.0.0.1']
  ]
  for (const [source, key] of cases) t.equal(read(source)(request), key, JSON.stringify(source))
  t.equal(read({ cookie: 'a' })({ headers: {} } as FastifyRequest), undefined)
  t.equal(read('path')({ url: '/plain' } as FastifyRequest), '/plain')
})

t.test('a function that throws, or returns something else than a text', async t => {
  const request = {} as FastifyRequest
  const fails = (source: unknown, cause: object) => t.throws(() => read(source as KeySource)(request), { message: 'no key', cause })
  fails(() => { throw new Error('no user') }, { message: "the function in 'some.key' has thrown an error", cause: { message: 'no user' } })
  fails(() => 5, { message: "the function in 'some.key' must return a text or nothing, got number" })
  fails(async () => 'late', { message: "the function in 'some.key' must return a text or nothing, got object" })
  for (const nothing of [undefined, null]) t.equal(read(() => nothing)(request), nothing)
})
