import t from 'tap'
import { handshakeHeaders, requestHeaders, responseHeaders, type Forwarding, type HeaderList } from '../../src/message/headers.js'
import { random, seeds, type Pick } from '../helpers/random.js'

/*
 * Random lists of headers against the rules, told another way: what must not pass does not, and the rest passes
 * as it is, in its order, case and repetition.
 *
 * FUZZ_SEED=<n> repeats one case.
 */

const HOP_BY_HOP = ['connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'http2-settings']
/** Written anew, whoever says it. */
const SET_ANEW = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-port', 'x-forwarded-prefix', 'x-forwarded-proto']
/** For a peer that is trusted to say, and whatever else begins like the first. */
const TRUSTED = ['x-forwarded', 'x-real-ip']
/** Connection cannot have them removed. */
const PROTECTED = [
  'authorization', 'cache-control', 'content-encoding', 'content-length', 'content-range', 'content-type', 'cookie', 'date', 'forwarded', 'host', 'location', 'origin', 'range',
  'set-cookie', 'vary', 'via', 'www-authenticate', 'x-real-ip', 'x-request-id',
  'sec-websocket-key', 'sec-websocket-accept', 'sec-websocket-protocol', 'sec-websocket-extensions', 'sec-websocket-version',
  'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-port', 'x-forwarded-prefix', 'x-forwarded-proto', 'x-forwarded-user'
]
/** One value, and refused with two. */
const SINGLE = ['authorization', 'content-length', 'content-type', 'if-modified-since', 'origin']
/** One value, the first. */
const FIRST = ['referer', 'user-agent']
/** Names that are nearly one of the above, or that JavaScript knows. */
const OTHERS = [
  'accept', 'x-a', 'x-b', 'x-forwardedfor', 'x_forwarded_for', 'x-forwarded_proto', 'x_forwarded', 'x-forward', 'x_real_ip', 'x-real', 'x_request_id', 'x-request', 'true-client-ip',
  'te-x', 'connections', 'upgrades', 'proxy_authorization', 'etag', 'expect', '__proto__', 'constructor',
  'proxy', 'content_length', 'content.type', 'transfer_encoding', 'user_agent'
]
const NAMES = [...new Set([...HOP_BY_HOP, ...SET_ANEW, ...TRUSTED, ...PROTECTED, ...SINGLE, ...FIRST, ...OTHERS])]
const OPTIONS = ['close', 'keep-alive', 'upgrade', '', ' ', 'x-a', 'x-b', ...NAMES]

const anyCase = (pick: Pick, text: string): string => [...text].map(letter => pick(3) === 0 ? letter.toUpperCase() : letter).join('')

function randomHeaders (pick: Pick): HeaderList {
  const headers: HeaderList = []
  for (let count = pick(14); count > 0; count--) {
    const name = pick(4) === 0 ? 'connection' : NAMES[pick(NAMES.length)]!
    const list = (items: string[]) => Array.from({ length: pick(5) }, () => [' ', '', '\t'][pick(3)]! + anyCase(pick, items[pick(items.length)]!) + [' ', ''][pick(2)]!).join(',')
    const value = name === 'connection' ? list(OPTIONS) : name === 'te' ? list(['trailers', 'gzip', 'trailer', 'trailers;q=1']) : `value ${pick(100)}`
    headers.push(anyCase(pick, name), value)
  }
  return headers
}

/** What is set, and the headers that say so, in their order. */
function randomForwarding (pick: Pick): [Forwarding, HeaderList] {
  const forwarding: Forwarding = { for: '192.0.2.1', host: undefined, proto: 'http', port: undefined, trusted: pick(2) === 0, hostOfTarget: pick(2) === 0 }
  const set = ['X-Forwarded-For', '192.0.2.1', 'X-Forwarded-Proto', 'http']
  for (const [option, name] of [['host', 'X-Forwarded-Host'], ['port', 'X-Forwarded-Port'], ['prefix', 'X-Forwarded-Prefix'], ['forwarded', 'Forwarded'], ['via', 'Via'], ['requestId', 'X-Request-Id']] as const) {
    if (pick(2) === 0) continue
    forwarding[option] = `the ${option}`
    set.push(name, `the ${option}`)
  }
  return [forwarding, set]
}

interface Header { name: string, lower: string, value: string }

const read = (list: HeaderList): Header[] =>
  Array.from({ length: list.length / 2 }, (_, index) => ({ name: list[index * 2]!, lower: list[index * 2]!.toLowerCase(), value: list[index * 2 + 1]! }))
const written = (headers: Header[]): HeaderList => headers.flatMap(({ name, value }) => [name, value])
const items = (headers: Header[], name: string): string[] =>
  headers.filter(({ lower }) => lower === name).flatMap(({ value }) => value.toLowerCase().split(',').map(item => item.trim()))

/** Whether a client's header goes to the target. CGI and its like do not tell an underscore from a hyphen. */
function passes ({ lower }: Header, { trusted, requestId }: Forwarding): boolean {
  const folded = lower.replace(/[^a-z0-9]/g, '-')
  if (lower === 'proxy' || (folded !== lower && [...HOP_BY_HOP, ...SINGLE, ...FIRST].includes(folded))) return false
  const known = lower.startsWith('x') ? folded : lower
  if (SET_ANEW.includes(known) || known === 'expect') return false
  if (known === 'x-request-id') return requestId === undefined
  return trusted === true || !(known.startsWith('x-forwarded') || TRUSTED.includes(known))
}

/** What is given, or the code of the error. */
function orRefusal (give: () => HeaderList): HeaderList | string {
  try {
    return give()
  } catch (error) {
    return (error as { code: string }).code
  }
}

/** Failures that are told; one rule that is broken breaks thousands of cases. */
const ENOUGH = 5

t.test('what passes, and what does not', async t => {
  let failures = 0
  for (const seed of seeds(20_000)) {
    const pick = random(seed)
    const received = randomHeaders(pick)
    const [forwarding, set] = randomForwarding(pick)
    const before = [...received]
    const headers = read(received)
    const nominated = items(headers, 'connection').filter(name => !PROTECTED.includes(name))
    const endToEnd = headers.filter(({ lower }) => !HOP_BY_HOP.includes(lower) && !nominated.includes(lower))

    const forTarget = endToEnd.filter(header => passes(header, forwarding))
      .filter(({ lower }, index, all) => !FIRST.includes(lower) || all.findIndex(other => other.lower === lower) === index)
      .map(header => header.lower === 'host' && forwarding.hostOfTarget ? { ...header, value: 'target' } : header)
    const host = forTarget.some(({ lower }) => lower === 'host') ? [] : ['Host', 'target']
    const hop = items(headers, 'te').includes('trailers') ? ['TE', 'trailers', 'Connection', 'keep-alive, TE'] : ['Connection', 'keep-alive']
    const refused = SINGLE.some(name => headers.filter(({ lower }) => lower === name).length > 1) ? 'SLUICE_REQUEST_INVALID' : undefined
    const expected = {
      responseHeaders: [responseHeaders(received), written(endToEnd)],
      'responseHeaders with Via': [responseHeaders(received, 'name'), [...written(endToEnd), 'Via', '1.1 name']],
      requestHeaders: [orRefusal(() => requestHeaders(received, forwarding, 'target')), refused ?? [...written(forTarget), ...host, ...set, ...hop]],
      handshakeHeaders: [orRefusal(() => handshakeHeaders(received, forwarding, 'target')), refused ?? [...written(forTarget), ...host, ...set, 'Connection', 'Upgrade', 'Upgrade', 'websocket']],
      'what was received': [received, before]
    }
    for (const [what, [found, wanted]] of Object.entries(expected)) {
      if (JSON.stringify(found) === JSON.stringify(wanted)) continue
      t.same(found, wanted, `FUZZ_SEED=${seed}: ${what}, of ${JSON.stringify(before)} and ${JSON.stringify(forwarding)}`)
      failures++
    }
    if (failures >= ENOUGH) break
  }
})
