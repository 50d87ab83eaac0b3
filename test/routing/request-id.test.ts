import type { IncomingMessage } from 'node:http'
import t from 'tap'
import { requestId, type TrustProxy } from '../../src/routing/request-id.js'

const UUID = /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/

/** The id of a request with this X-Request-Id. */
function id (trustProxy: TrustProxy | undefined, given: string | undefined, remoteAddress: string | undefined = '10.0.0.1'): string {
  return requestId(trustProxy)({ headers: { 'x-request-id': given }, socket: { remoteAddress } } as unknown as IncomingMessage)
}

t.test('the id of a peer that is trusted', async t => {
  for (const trustProxy of [true, '10.0.0.0/8', '192.0.2.1, 10.0.0.1', ['loopback', 'uniquelocal'], (address: string) => address === '10.0.0.1']) {
    t.equal(id(trustProxy, 'a-1'), 'a-1')
    t.match(id(trustProxy, undefined), UUID)
  }
})

t.test('not of any other', async t => {
  for (const trustProxy of [undefined, false, '192.0.2.1', [], 'loopback', () => false, 1 as never]) t.match(id(trustProxy, 'a-1'), UUID)
  t.not(id(false, 'a'), id(false, 'a'))
})

t.test('a peer on a Unix socket', async t => {
  const ofSocket = (trustProxy: TrustProxy) => requestId(trustProxy)({ headers: { 'x-request-id': 'a-1' }, socket: {} } as unknown as IncomingMessage)
  t.equal(ofSocket(true), 'a-1')
  t.match(ofSocket('loopback'), UUID)
})

t.test('only an id that is well formed', async t => {
  for (const given of ['2c5ea4c0-4067-4fe8-8b1c-3f3ed1a1c5b9', 'Root=1-67891233-abcdef012345678912345678', 'aGk/+w==', 'a'.repeat(128)]) t.equal(id(true, given), given)
  for (const given of ['', 'a b', 'a, b', 'a"b', '<b>', 'a\tb', 'a\nb', 'ü', '{}', 'a'.repeat(129)]) t.match(id(true, given), UUID, given)
})

t.test('addresses that are none', async t => {
  t.throws(() => requestId('nearby'), { message: 'invalid IP address: nearby' })
  t.throws(() => requestId(['10.0.0.0/8', '10.0.0.0/99']), { message: /invalid range/ })
})
