import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import t, { type Test } from 'tap'
import { startCommandWithOneOutput } from '../../helpers/command.js'
import { startGateway, type RunningGateway } from '../../helpers/gateway.js'
import { freePort } from '../../helpers/raw-target.js'
import { startRecipe } from '../../helpers/recipe.js'
import { refusal } from '../../helpers/sockets.js'
import { temporaryFolder } from '../../helpers/temporary-folder.js'

// Debian's own; not on the PATH of everyone.
const MOSQUITTO = '/usr/sbin/mosquitto'

t.test('mqtt.js talks to mosquitto', async t => {
  const { connect, gateway } = await start(t)
  const [reader, writer] = [await connect(), await connect()]
  t.match(gateway.app.gateway.sessions.list(), [{ subprotocol: 'mqtt' }, { subprotocol: 'mqtt' }])

  await reader.subscribeAsync('room/+', { qos: 2 })
  for (const qos of [0, 1, 2] as const) {
    const message = next(reader)
    await writer.publishAsync(`room/${qos}`, `grüße ${qos}`, { qos })
    t.same(await message, [`room/${qos}`, `grüße ${qos}`])
  }
  // Nobody reads it: mosquitto 2.0.11 itself does not get a message of 64 KiB out to a WebSocket.
  await writer.publishAsync('elsewhere', 'a large message '.repeat(2 ** 16), { qos: 1 })

  await Promise.all([reader.endAsync(), writer.endAsync()])
  await gateway.ended(2)
})

t.test('mosquitto publishes the last will of a client that is cut off', async t => {
  const { connect, gateway } = await start(t)
  const reader = await connect()
  const mortal = await connect({ reconnectPeriod: 0, will: { topic: 'wills/mortal', payload: Buffer.from('gone'), qos: 1, retain: false } })
  await reader.subscribeAsync('wills/#', { qos: 1 })
  const will = next(reader)
  mortal.stream.destroy()
  t.same(await will, ['wills/mortal', 'gone'])
  await reader.endAsync()
  await gateway.ended(2)
})

t.test('the recipe', async t => {
  const { url } = await startRecipe(t, 'mqtt', { 'http://127.0.0.1:9001': await startMosquitto(t) })
  const client = await connectTo(t, url, {})
  await client.subscribeAsync('room', { qos: 1 })
  const message = next(client)
  await client.publishAsync('room', 'grüße', { qos: 1 })
  t.same(await message, ['room', 'grüße'])
  await client.endAsync()
  t.match(await refusal(`${url}/mqtt`, { headers: { 'sec-websocket-protocol': 'chat' } }), { status: 400, body: /SLUICE_HANDSHAKE_INVALID/ })
})

async function start (t: Test): Promise<{ connect (options?: IClientOptions): Promise<MqttClient>, gateway: RunningGateway }> {
  const gateway = await startGateway(t, { targets: [await startMosquitto(t)] })
  return { connect: (options = {}) => connectTo(t, `http://127.0.0.1:${gateway.port}`, options), gateway }
}

async function connectTo (t: Test, url: string, options: IClientOptions): Promise<MqttClient> {
  const client = await connectAsync(`${url.replace('http', 'ws')}/mqtt`, { reconnectPeriod: 0, ...options }, false)
  t.teardown(() => client.end(true))
  return client
}

async function startMosquitto (t: Test): Promise<string> {
  const folder = await temporaryFolder(t)
  const configuration = join(folder, 'mosquitto.conf')
  // It takes no port 0.
  const port = await freePort()
  await writeFile(configuration, [
    // As root, it would turn into its own user, who may not write to the folder.
    `user ${userInfo().username}`,
    'allow_anonymous true', 'log_dest stderr', `listener ${port} 127.0.0.1`, 'protocol websockets',
    // Without any other listener, mosquitto 2.0.11 believes that it has none at all.
    `listener 0 ${join(folder, 'socket')}`, ''
  ].join('\n'))
  const mosquitto = startCommandWithOneOutput(t, MOSQUITTO, ['-c', configuration])
  await mosquitto.output(/mosquitto version \S+ running/)
  return `http://127.0.0.1:${port}`
}

/** Topic and text of the next message. */
async function next (client: MqttClient): Promise<[topic: string, text: string]> {
  const [topic, payload] = await once(client as never, 'message') as [string, Buffer]
  return [topic, payload.toString()]
}
