import t from 'tap'
import { openSession } from '../../helpers/gateway.js'
import { endByGateway } from '../../helpers/hooked-session.js'
import { frame, masked } from '../../helpers/wire.js'

t.test('a message that breaks the rules of its side ends the session with 1008, and the sender is told why', async t => {
  const session = await openSession(t, {
    route: {
      websocket: {
        closeTimeout: 200,
        messages: { fromClient: { allow: { '/type': ['ping'] }, schema: { type: 'object', properties: { n: { type: 'number' } } } } }
      }
    }
  })
  const { client, server } = session
  client.write(masked(0x81, '{"type":"ping"}'))
  t.equal((await server.frame()).payload.toString(), '{"type":"ping"}')
  client.write(masked(0x81, '{"type":"ping","n":"1"}'))
  await endByGateway(t, session, { server: '1008', client: '1008 /n must be number' }, { by: 'client', reason: 'message', code: 1008 })
})

t.test('rules drop a message, and stand among hooks', async t => {
  const session = await openSession(t, {
    route: {
      websocket: {
        closeTimeout: 200,
        messages: { fromTarget: [({ text }) => text?.replaceAll("'", '"'), { deny: { '/secret': [true] }, onInvalid: 'drop' }, ({ text }) => `${text}!`] }
      }
    }
  })
  const { client, server } = session
  for (const text of ["{'secret':true}", "{'secret':false}", 'not JSON', '[]']) server.write(frame(0x81, text))
  t.equal((await client.frame()).payload.toString(), '{"secret":false}!')
  t.equal((await client.frame()).payload.toString(), '[]!')
  client.reset()
  await session.gateway.ended()
})
