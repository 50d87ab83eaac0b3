import t from 'tap'
import { handshakeHeaders, requestHeaders, responseHeaders, type Forwarding, type HeaderList } from '../../src/upstreams/headers.js'
import { random, seeds, type Pick } from '../helpers/random.js'

/*
 * Random lists of headers against the rules, told another way: what must not pass does not, and the rest passes
 * as it is, in its order, case and repetition.
 *
 * FUZZ_SEED=<n> repeats one case.
 */

const HOP_BY_HOP = ['connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'http2-settings']
const FORWARDING = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port', 'x-forwarded-user', 'forwarded', 'x-real-ip']
const PROTECTED = [
  'authorization', 'content-encoding', 'content-length', 'content-type', 'cookie', 'date', 'forwarded', 'host', 'location', 'origin', 'set-cookie', 'via', 'x-real-ip', 'x-request-id',
  'sec-websocket-key', 'sec-websocket-accept', 'sec-websocket-protocol', 'sec-websocket-extensions', 'sec-websocket-version'
]
const OTHERS = ['accept', 'x-a', 'x-b', 'x-forwarded', 'x-forwardedfor', 'te-x', 'connections', 'upgrades', 'close', 'etag', 'vary', 'expect', '__proto__', 'constructor']
const NAMES = [...HOP_BY_HOP, ...FORWARDING, ...PROTECTED, ...OTHERS]
const OPTIONS = ['close', 'keep-alive', 'upgrade', '', ' ', 'x-a', 'x-b', ...NAMES]
const forwarding: Forwarding = { for: '192.0.2.1', host: 'example.test', proto: 'http', port: '8080' }
const SET = ['X-Forwarded-For', '192.0.2.1', 'X-Forwarded-Proto', 'http', 'X-Forwarded-Host', 'example.test', 'X-Forwarded-Port', '8080']

const anyCase = (pick: Pick, text: string): string => [...text].map(letter => pick(3) === 0 ? letter.toUpperCase() : letter).join('')

function randomHeaders (pick: Pick): HeaderList {
  const headers: HeaderList = []
  for (let count = pick(14); count > 0; count--) {
    const name = pick(4) === 0 ? 'connection' : NAMES[pick(NAMES.length)]!
    const value = name === 'connection'
      ? Array.from({ length: pick(5) }, () => [' ', '', '\t'][pick(3)]! + anyCase(pick, OPTIONS[pick(OPTIONS.length)]!) + [' ', ''][pick(2)]!).join(',')
      : `value ${pick(100)}`
    headers.push(anyCase(pick, name), value)
  }
  return headers
}

const pairs = (headers: HeaderList): Array<[lower: string, name: string, value: string]> =>
  Array.from({ length: headers.length / 2 }, (_, index) => [headers[index * 2]!.toLowerCase(), headers[index * 2]!, headers[index * 2 + 1]!])

t.test('what passes, and what does not', async t => {
  for (const seed of seeds(20_000)) {
    const received = randomHeaders(random(seed))
    const nominated = new Set(pairs(received).filter(([lower]) => lower === 'connection').flatMap(([,, value]) => value.toLowerCase().split(',').map(item => item.trim())))
    // 'close', 'keep-alive' and 'upgrade' are options of the connection, and no names.
    for (const option of ['close', 'keep-alive', 'upgrade']) nominated.delete(option)
    const endToEnd = ([lower]: [string, string, string]) => !HOP_BY_HOP.includes(lower) && (!nominated.has(lower) || PROTECTED.includes(lower))
    const kept = (list: Array<[string, string, string]>) => list.flatMap(([, name, value]) => [name, value])

    const toClient = kept(pairs(received).filter(endToEnd))
    const client = pairs(received).filter(pair => endToEnd(pair) && !FORWARDING.includes(pair[0]) && pair[0] !== 'expect')
    const toTarget = [...kept(client), ...client.some(([lower]) => lower === 'host') ? [] : ['Host', 'target'], ...SET]
    const before = [...received]
    const failed = [
      JSON.stringify(responseHeaders(received)) !== JSON.stringify(toClient) && 'responseHeaders',
      JSON.stringify(requestHeaders(received, forwarding, 'target')) !== JSON.stringify(toTarget) && 'requestHeaders',
      JSON.stringify(handshakeHeaders(received, forwarding, 'target')) !== JSON.stringify([...toTarget, 'Connection', 'Upgrade', 'Upgrade', 'websocket']) && 'handshakeHeaders',
      JSON.stringify(received) !== JSON.stringify(before) && 'what was received is changed by one'
    ].filter(name => name !== false)
    if (failed.length > 0) t.fail(`FUZZ_SEED=${seed}: ${failed.join(', ')} of ${JSON.stringify(received)}`)
  }
})
