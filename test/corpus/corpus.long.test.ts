import t, { type Test } from 'tap'
import type { AddressInfo } from 'node:net'
import { gatewayApp } from '../helpers/backends.js'
import { refusingPort } from '../helpers/raw-target.js'
import { Wire } from '../helpers/wire.js'
import { request, type Case, type Outcome } from './case.js'
import { cases } from './cases/index.js'
import { recordingTarget, type RecordingTarget } from './recording-target.js'
import { readMessage } from './strict.js'

/*
 * Bytes of clients that mean ill, and a target that reads strictly. For every case: the target saw exactly
 * the requests that the case allows, bodies included, each of which a hook of the gateway has seen; the client
 * got exactly the answers it allows, each to its own request; and the gateway serves on.
 *
 * ONLY=<part of a name> runs some of them.
 */

interface Gateway {
  port: number
  /** The requests that came to the hooks. */
  seen: string[]
  close (): Promise<unknown>
}

async function start (t: Test, target: RecordingTarget, dead: number): Promise<Gateway> {
  const app = await gatewayApp(t)
  const seen: string[] = []
  app.addHook('onRequest', async (request, reply) => {
    seen.push(`${request.raw.method} ${request.raw.url}`)
    if (request.url.endsWith('/401')) await reply.code(401).send()
  })
  app.upstream('target', { targets: [target.url] })
  app.proxy('/t/*', { upstream: 'target', websocket: true })
  app.proxy('/http/*', { upstream: 'target' })
  app.proxy('/dead/*', { upstream: `http://127.0.0.1:${dead}`, websocket: true })
  app.post('/own', { bodyLimit: 10 }, async () => 'own')
  app.get('/own', async () => 'own')
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { port: (app.server.address() as AddressInfo).port, seen, close: () => app.close() }
}

/** The responses that stand in a text; what is no whole response is told as it is. */
function answersIn (text: string, ended: boolean, head?: boolean): Outcome[] {
  const answers: Outcome[] = []
  let final = 0
  while (text !== '') {
    const reading = readMessage(text, {
      bodyless: start => (head === true && final === 0) || /^HTTP\/1\.1 (1|204|304)/.test(start),
      untilEnd: { ended }
    })
    if (!('message' in reading)) return [...answers, `no response: ${JSON.stringify(reading)}`]
    const { message, length } = reading
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(message.start)?.[1])
    const told = decodeURIComponent(message.headers.find(([name]) => name === 'x-request')?.[1] ?? '')
    if (told !== '' && message.body !== '' && told !== message.body) return [...answers, `the body of another response: ${message.body}`]
    answers.push(told === '' ? status : told)
    text = text.slice(length)
    if (status === 101) return text === '' ? answers : [...answers, 'bytes behind a 101']
    if (status >= 200) final++
  }
  return answers
}

/** Sends a case's bytes and reads until all allowed answers are there or the gateway ends the connection. */
async function play (t: Test, port: number, { send, end, expect, or = [], head }: Case): Promise<Outcome[]> {
  const client = await Wire.connect(t, port)
  const allowed = [expect, ...or]
  const steps = [send].flat()
  let text = ''
  let answers: Outcome[] = []
  client.write(steps.shift()!)
  if (end === true) client.end()
  for (;;) {
    // What may still come. Nothing, when all is there, or a response is none of those that are allowed.
    const open = allowed.filter(outcomes => outcomes.length > answers.length && answers.every((answer, index) => answer === outcomes[index] || String(answer).startsWith('no response')))
    if (client.length === 0 && (open.length === 0 || client.ended || client.closed)) break
    const before = answers.length
    await client.some()
    text += (await client.bytes(client.length)).toString('latin1')
    answers = answersIn(text, client.ended || client.closed, head)
    if (answers.length > before && steps.length > 0 && !String(answers.at(-1)).startsWith('no response')) client.write(steps.shift()!)
  }
  // What the gateway has not read as a whole, it answers now; there must be nothing.
  client.end()
  text += await client.rest()
  return answersIn(text, true, head)
}

const dead = await refusingPort()

for (const one of cases.filter(({ name }) => name.includes(process.env['ONLY'] ?? ''))) {
  t.test(one.name, { timeout: 5_000 }, async t => {
    const target = await recordingTarget(t)
    const gateway = await start(t, target, dead)
    const answers = await play(t, gateway.port, one)
    const met = [one.expect, ...one.or ?? []].find(outcomes => JSON.stringify(outcomes) === JSON.stringify(answers))
    if (met === undefined) t.same(answers, one.expect, 'the responses')

    t.same(await play(t, gateway.port, { name: '', send: request('GET /t/healthy'), expect: ['GET /t/healthy'] }), ['GET /t/healthy'], 'the gateway serves on')
    await gateway.close()
    await target.idle()
    const forwarded = [...(met ?? one.expect).filter(answer => typeof answer === 'string'), ...one.unanswered ?? [], 'GET /t/healthy']
    // A request of which nobody waits for the response any more may be given up on its way.
    for (const request of one.may ?? []) if (target.requests.includes(request) && !forwarded.includes(request)) forwarded.push(request)
    t.same([...target.requests].sort(), forwarded.sort(), 'the requests of the target')
    t.same(target.violations, [], 'nothing else arrives at the target')
    const unseen = [...gateway.seen]
    for (const request of target.requests) {
      const index = unseen.indexOf(request.split(' ', 2).join(' '))
      t.not(index, -1, `a hook has seen ${request}`)
      unseen.splice(index, 1)
    }
  })
}
