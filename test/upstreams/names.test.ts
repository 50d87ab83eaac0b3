import type { LookupAddress } from 'node:dns'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { resolver, turned } from '../../src/net/addresses.js'
import { ask } from '../helpers/ask.js'
import { startGateway } from '../helpers/gateway.js'
import { serversAt } from '../helpers/servers-at.js'
import { nextMessage, openSocket } from '../helpers/sockets.js'

/** Names that resolve to what `found` holds. */
function names (t: Test, found: { addresses: string[] | Error, asked: number }): void {
  const { lookup, interval } = resolver
  t.teardown(() => Object.assign(resolver, { lookup, interval }))
  resolver.interval = 10
  resolver.lookup = ((_name: string, _options: object, callback: (error: Error | null, found: LookupAddress[]) => void) => {
    found.asked++
    const { addresses } = found
    setImmediate(() => addresses instanceof Error ? callback(addresses, []) : callback(null, addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 }))))
  }) as typeof lookup
}

const asked = async (found: { asked: number }, times: number): Promise<void> => {
  const until = found.asked + times
  while (found.asked < until) await new Promise(setImmediate)
}

t.test('connections are spread over all addresses of a name', async t => {
  const { port } = await serversAt(t, '127.0.0.1', '127.0.0.2', '127.0.0.3')
  names(t, { addresses: ['127.0.0.1', '127.0.0.2', '127.0.0.3'], asked: 0 })
  const gateway = await startGateway(t, { targets: [`http://app.test:${port}`] })
  const seen = []
  for (let count = 0; count < 6; count++) {
    const socket = await openSocket(`http://127.0.0.1:${gateway.port}`)
    const message = nextMessage(socket)
    socket.send('where?')
    seen.push(await message)
    socket.terminate()
  }
  t.same(seen.sort(), ['127.0.0.1', '127.0.0.1', '127.0.0.2', '127.0.0.2', '127.0.0.3', '127.0.0.3'])
})

t.test('kept connections leave an address that the name has no more; sessions stay', async t => {
  const { port, at } = await serversAt(t, '127.0.0.1', '127.0.0.2')
  const found = { addresses: ['127.0.0.1'] as string[] | Error, asked: 0 }
  names(t, found)
  const gateway = await startGateway(t, { targets: [`http://app.test:${port}`] })
  const address = `http://127.0.0.1:${gateway.port}`
  const socket = await openSocket(address)
  const [connection] = await Promise.all([once(at['127.0.0.1']!, 'connection'), ask(address)])
  found.addresses = new Error('no response')
  await asked(found, 5)
  t.equal(connection[0].destroyed, false, 'a failure changes nothing')
  found.addresses = ['127.0.0.2']
  await once(connection[0], 'close')
  t.equal((await ask(address)).body.toString(), '127.0.0.2')
  const message = nextMessage(socket)
  socket.send('where?')
  t.equal(await message, '127.0.0.1')
  socket.terminate()
})

t.test('an address that is missing now and then is kept', async t => {
  const { port, at } = await serversAt(t, '127.0.0.1', '127.0.0.2')
  const found = { addresses: ['127.0.0.1'] as string[] | Error, asked: 0 }
  names(t, found)
  const gateway = await startGateway(t, { targets: [`http://app.test:${port}`] })
  const [connection] = await Promise.all([once(at['127.0.0.1']!, 'connection'), ask(`http://127.0.0.1:${gateway.port}`)])
  for (let count = 0; count < 6; count++) {
    found.addresses = count % 2 === 0 ? ['127.0.0.2'] : ['127.0.0.1', '127.0.0.2']
    await asked(found, 1)
  }
  t.equal(connection[0].destroyed, false)
})

t.test('the order of turned addresses', async t => {
  t.same(turned(['1.1.1.1', '::1', '2.2.2.2', '::2', '3.3.3.3'], 1), ['2.2.2.2', '::2', '3.3.3.3', '::1', '1.1.1.1'])
  t.same(turned(['1.1.1.1'], 5), ['1.1.1.1'])
  t.same(turned([], 1), [])
})
