import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { startGateway } from '../helpers/gateway.js'
import { Wire } from '../helpers/wire.js'
import { request } from './case.js'
import { answers, type ResponseCase } from './cases/responses.js'
import { readMessage, type Reading } from './strict.js'

/*
 * Bytes of targets that mean ill, and a client that reads strictly. For every case: the client is given one of
 * the responses that the case allows, and none that looks whole when it is not; the requests behind it, on the
 * same connection and on another, get their own responses.
 *
 * ONLY=<part of a name> runs some of them.
 */

/** Whether the connection ended by a reset, and so not as a body ends. */
const wasReset = (client: Wire): boolean => client.error?.code === 'ECONNRESET'

/** Reads one response: its status, body and trailers, `broken`, or what is wrong with it. Early hints before it are skipped. */
async function nextResponse (client: Wire, head: boolean): Promise<string> {
  let text = ''
  for (;;) {
    const over = client.ended || client.closed
    text += (await client.bytes(client.length)).toString('latin1')
    const read = (): Reading => readMessage(text, {
      bodyless: start => head || / (1\d\d|204|304) /.test(start),
      untilEnd: { ended: over && !wasReset(client) },
      trailers: true
    })
    let reading = read()
    while ('message' in reading && reading.message.start === 'HTTP/1.1 103 Early Hints') {
      if (reading.message.headers.some(([name]) => name !== 'link')) return 'a violation: early hints that are more than links'
      text = text.slice(reading.length)
      reading = read()
    }
    if ('violation' in reading) return `a violation: ${reading.violation}`
    if ('message' in reading) {
      const { message: { start, body, trailers }, length } = reading
      if (length < text.length) return `bytes behind a response: ${text.slice(length, length + 100)}`
      const status = start.split(' ')[1]!
      return Number(status) >= 500 && body.includes('SLUICE_') ? status : [status, body, ...trailers].filter(part => part !== '').join(' ')
    }
    if (over) return 'broken'
    await client.some()
  }
}

interface Target {
  url: string
  /** The connection of the first request. */
  first: Promise<Socket>
  /** How often that request has come. */
  times: number
}

/** Responses the first request as the case says, and every other by its name. */
async function startTarget (t: Test, { answer, then }: ResponseCase): Promise<Target> {
  let arrived!: (socket: Socket) => void
  const first = new Promise<Socket>(resolve => { arrived = resolve })
  const target: Target = { url: '', first, times: 0 }
  const server = createServer({ allowHalfOpen: true }, socket => {
    let text = ''
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
      const reading = readMessage(text)
      if (!('message' in reading)) return
      text = text.slice(reading.length)
      const path = reading.message.start.split(' ')[1]!
      if (path !== '/first') return socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`)
      socket.write(answer, 'latin1', () => {
        if (then === 'end') socket.end()
        if (then === 'reset') socket.resetAndDestroy()
      })
      target.times++
      arrived(socket)
    })
    socket.on('end', () => socket.end()).on('error', () => {})
    t.teardown(() => { socket.destroy() })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => { server.close() })
  target.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return target
}

for (const one of answers.filter(({ name }) => name.includes(process.env['ONLY'] ?? ''))) {
  t.test(one.name, { timeout: 5_000 }, async t => {
    const { method = 'GET', version = '1.1', late, times = 1, expect } = one
    const target = await startTarget(t, one)
    const gateway = await startGateway(t, { targets: [target.url] })
    const client = await Wire.connect(t, gateway.port)
    client.write(request(`${method} /first`).replace('HTTP/1.1', `HTTP/${version}`))
    const answer = await nextResponse(client, method === 'HEAD')
    t.ok(expect.includes(answer), `${JSON.stringify(answer)}, of ${JSON.stringify(expect)}`)
    const socket = await target.first
    if (late !== undefined) {
      socket.write(late, 'latin1')
      // A connection on which somebody speaks out of turn is used no more.
      await once(socket, 'close')
    }
    if (answer !== 'broken' && version === '1.1') {
      client.write(request('GET /second'))
      t.equal(await nextResponse(client, false), '200 /second', 'the next one on the connection')
    }
    const other = await Wire.connect(t, gateway.port)
    other.write(request('GET /third'))
    t.equal(await nextResponse(other, false), '200 /third', 'another client')
    t.equal(target.times, times, 'the target was asked as often')
  })
}
