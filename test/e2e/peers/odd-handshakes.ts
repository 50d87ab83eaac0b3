/** A handshake that is odd on one of its sides: what a client sends, and what its target answers. */
export interface OddHandshake {
  name: string
  request: string
  /** %ACCEPT% stands for what belongs to the key that the target has got. */
  response: string
}

type Lines = Array<string | [name: string, value: string]>

const BASE: Lines = [
  ['Host', 'gateway.test'], ['Connection', 'Upgrade'], ['Upgrade', 'websocket'], ['Sec-WebSocket-Version', '13'], ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
  ['Sec-WebSocket-Protocol', 'chat, superchat'], ['Sec-WebSocket-Extensions', 'permessage-deflate']
]
const GOOD: Lines = [['Upgrade', 'websocket'], ['Connection', 'Upgrade'], ['Sec-WebSocket-Accept', '%ACCEPT%']]

/** The lines of a head with those of one name replaced; none takes them out. */
function replaced (lines: Lines, name: string, ...values: string[]): Lines {
  const kept = lines.filter(line => line[0] !== name)
  const at = lines.findIndex(line => line[0] === name)
  kept.splice(at === -1 ? kept.length : at, 0, ...values.map(value => [name, value] as [string, string]))
  return kept
}

function head (start: string, lines: Lines, end = '\r\n'): string {
  return [start, ...lines.map(line => typeof line === 'string' ? line : `${line[0]}: ${line[1]}`), '', ''].join(end)
}

const START = 'GET %PATH% HTTP/1.1'
const ANSWER = 'HTTP/1.1 101 Switching Protocols'
const good = head(ANSWER, GOOD)
const all: OddHandshake[] = []

function fromClient (name: string, lines: Lines, start = START, end?: string): void {
  all.push({ name: `client: ${name}`, request: head(start, lines, end), response: good })
}

function fromTarget (name: string, lines: Lines, start = ANSWER, end?: string): void {
  all.push({ name: `target: ${name}`, request: head(START, BASE), response: head(start, lines, end) })
}

/** Each value of a header alone, each pair of lines, none, and the usual one with space around it. */
function headerOfClient (name: string, values: string[], pairs: Array<[string, string]> = []): void {
  fromClient(`no ${name}`, replaced(BASE, name))
  for (const value of values) fromClient(`${name}: '${value.length > 40 ? `${value.slice(0, 20)}…` : value}'`, replaced(BASE, name, value))
  for (const pair of pairs) fromClient(`${name} twice: '${pair[0]}' and '${pair[1]}'`, replaced(BASE, name, ...pair))
  const usual = (BASE.find(line => line[0] === name) as [string, string])[1]
  fromClient(`${name} between tabs and spaces`, replaced(BASE, name, `\t ${usual} \t`))
  for (const other of [name.toLowerCase(), name.toUpperCase()]) fromClient(`${other} as the name`, [...replaced(BASE, name), [other, usual]])
}

function headerOfTarget (name: string, values: string[], pairs: Array<[string, string]> = []): void {
  fromTarget(`no ${name}`, replaced(GOOD, name))
  for (const value of values) fromTarget(`${name}: '${value}'`, replaced(GOOD, name, value))
  for (const pair of pairs) fromTarget(`${name} twice: '${pair[0]}' and '${pair[1]}'`, replaced(GOOD, name, ...pair))
  const usual = (GOOD.find(line => line[0] === name) as [string, string] | undefined)?.[1] ?? ''
  fromTarget(`${name} between tabs and spaces`, replaced(GOOD, name, `\t ${usual} \t`))
  for (const other of [name.toLowerCase(), name.toUpperCase()]) fromTarget(`${other} as the name`, [...replaced(GOOD, name), [other, usual]])
}

// ---- What clients send

headerOfClient('Sec-WebSocket-Version', ['', '0', '7', '8', '14', '255', '013', '+13', '13.0', '13;q=1', 'x', '8, 13', '13, 8', '13, 13'], [['13', '13'], ['8', '8'], ['8', '13'], ['13', '8']])
headerOfClient('Sec-WebSocket-Key', [
  '', 'x', 'AQ==', 'SGVsbG8sIHdvcmxkIQ==', 'MTIzNDU2Nzg5MDEyMw==', // curl's well-known example
  'dGhlIHNhbXBsZSBub25j', 'dGhlIHNhbXBsZSBub25jZQ', 'dGhlIHNhbXBsZSBub25jZTE=', Buffer.alloc(32, 'k').toString('base64'), Buffer.alloc(1000, 'k').toString('base64'),
  'dGhlIHNhbXBsZS-ub25j_Q==', 'dGhl IHNhbXBsZSBub25jZQ==', 'no base64!', '"dGhlIHNhbXBsZSBub25jZQ=="', 'dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==', 'sch\xfcssel'
], [['dGhlIHNhbXBsZSBub25jZQ==', 'dGhlIHNhbXBsZSBub25jZQ=='], ['AQ==', 'dGhlIHNhbXBsZSBub25jZQ==']])
headerOfClient('Sec-WebSocket-Protocol', [
  '', ',', 'chat', 'chat,', ',chat', 'chat,,superchat', 'chat, chat', 'Chat, chat', 'chat superchat', 'two words, chat', '"chat"', 'chat;q=1', 'a/b', 'a@b', 'https://example.com/protocol', '(x)', '{x}', '[x]', 'x=1',
  'caf\xe9', `token.${'x'.repeat(1000)}`
], [['chat', 'superchat'], ['chat', 'chat'], ['', 'chat']])
headerOfClient('Sec-WebSocket-Extensions', ['', ',', 'x-unknown', 'Permessage-Deflate', 'permessage-deflate; client_max_window_bits', 'permessage-deflate; a=1; a=1', 'permessage-deflate; x="y', 'permessage-deflate;', ';', 'permessage-deflate, permessage-deflate', 'two words'], [['permessage-deflate', 'x-unknown'], ['permessage-deflate', 'permessage-deflate']])
headerOfClient('Connection', ['', 'upgrade', 'UPGRADE', 'keep-alive', 'close', 'keep-alive, Upgrade', 'Upgrade, keep-alive', 'close, Upgrade', 'Upgrade,', ', Upgrade', 'Upgrade, Upgrade', 'keep-alive Upgrade', '"Upgrade"'], [['keep-alive', 'Upgrade'], ['Upgrade', 'Upgrade']])
headerOfClient('Upgrade', ['WebSocket', 'WEBSOCKET', 'websocket,', 'websocket, h2c', 'h2c, websocket', 'websocket, websocket', 'websocket/13', 'web-socket', '"websocket"', 'h2c'], [['websocket', 'websocket'], ['h2c', 'websocket']])
headerOfClient('Host', ['other.test:8080', '127.0.0.1', '[::1]:80'])
for (const [name, value] of [['Origin', 'null'], ['Origin', ''], ['Origin', 'no origin'], ['Content-Length', '0'], ['Cache-Control', 'no-cache'], ['User-Agent', ''], ['Expect', '100-continue'], ['TE', 'trailers'], ['Keep-Alive', 'timeout=5'], ['Sec-WebSocket-Accept', 'x'], ['Sec-WebSocket-Draft', '2'], ['Sec_WebSocket_Key', 'x'], ['X-Empty', ''], ['Cookie', 'a=\xe9']] as const) {
  fromClient(`with ${name}: '${value}'`, [...BASE, [name, value]])
}
for (const version of ['1.0', '1.2', '2.0']) fromClient(`HTTP/${version}`, BASE, `GET %PATH% HTTP/${version}`)
fromClient('HTTP/1.0 without Host', replaced(BASE, 'Host'), 'GET %PATH% HTTP/1.0')
fromClient('HTTP/1.0 that is kept alive', replaced(BASE, 'Connection', 'keep-alive, Upgrade'), 'GET %PATH% HTTP/1.0')
fromClient('HTTP/1.0 with version 8', replaced(BASE, 'Sec-WebSocket-Version', '8'), 'GET %PATH% HTTP/1.0')
fromClient('POST', BASE, 'POST %PATH% HTTP/1.1')
fromClient('lines that end in LF alone', BASE, START, '\n')
fromClient('empty lines before the request', BASE, `\r\n\r\n${START}`)
fromClient('no space behind the colons', BASE.map(([name, value]) => `${name}:${value}`))
fromClient('all names in lower case', BASE.map(([name, value]) => [name!.toLowerCase(), value!]))
fromClient('all names in upper case', BASE.map(([name, value]) => [name!.toUpperCase(), value!]))
fromClient('the headers in the opposite order', [...BASE].reverse())
fromClient('nothing but Upgrade and Connection', [['Host', 'gateway.test'], ['Connection', 'Upgrade'], ['Upgrade', 'websocket']])

// ---- What targets answer

headerOfTarget('Upgrade', ['', 'WebSocket', 'WEBSOCKET', 'websocket, foo', 'foo', 'h2c', '"websocket"', 'websocket/13'], [['websocket', 'websocket'], ['foo', 'websocket']])
headerOfTarget('Connection', ['', 'upgrade', 'UPGRADE', 'keep-alive', 'close', 'keep-alive, Upgrade', 'close, Upgrade', 'Upgrade, Upgrade', 'foo'], [['keep-alive', 'Upgrade'], ['Upgrade', 'Upgrade']])
headerOfTarget('Sec-WebSocket-Accept', ['', 'x', 'accept', '"%ACCEPT%"', '%ACCEPT%, %ACCEPT%', 'AAAAAAAAAAAAAAAAAAAAAAAAAAA='], [['%ACCEPT%', '%ACCEPT%'], ['%ACCEPT%', 'x'], ['x', '%ACCEPT%']])
headerOfTarget('Sec-WebSocket-Protocol', ['', 'chat', 'superchat', 'Chat', 'CHAT', 'other', 'chat, superchat', 'two words', '"chat"', 'chat;q=1', 'caf\xe9'], [['chat', 'chat'], ['chat', 'superchat'], ['', 'chat'], ['', '']])
headerOfTarget('Sec-WebSocket-Extensions', ['', 'permessage-deflate', 'Permessage-Deflate', 'x-unknown', 'permessage-deflate; x="y', 'permessage-deflate, permessage-deflate', 'permessage-deflate;', ';'], [['permessage-deflate', 'permessage-deflate'], ['permessage-deflate', 'x-unknown']])
for (const [name, value] of [['Content-Length', '0'], ['Content-Length', '5'], ['Transfer-Encoding', 'chunked'], ['Content-Type', 'text/plain'], ['Date', ''], ['Set-Cookie', 'a=\xe9'], ['Sec-WebSocket-Version', '8'], ['Sec-WebSocket-Key', 'x'], ['Keep-Alive', 'timeout=5'], ['Sec-WebSocket-Origin', 'x'], ['WebSocket-Protocol', 'x'], ['X_Under', 'x'], ['Access-Control-Allow-Origin', '*']] as const) {
  fromTarget(`with ${name}: '${value}'`, [...GOOD, [name, value]])
}
for (const start of [
  'HTTP/1.0 101 Switching Protocols', 'HTTP/1.1 101', 'HTTP/1.1 101 ', 'HTTP/1.1 101 WebSocket Protocol Handshake', 'HTTP/1.1 101 switching\tprotocols', 'HTTP/1.1 101 caf\xe9', 'HTTP/1.1  101 Switching Protocols',
  'HTTP/1.2 101 Switching Protocols', 'HTTP/2 101 Switching Protocols', 'http/1.1 101 Switching Protocols', 'HTTP/1.1 0101 Switching Protocols'
]) fromTarget(`'${start}'`, GOOD, start)
fromTarget('lines that end in LF alone', GOOD, ANSWER, '\n')
fromTarget('HTTP/1.0 with lines that end in LF alone', GOOD, 'HTTP/1.0 101 Switching Protocols', '\n')
fromTarget('some lines that end in LF alone', ['Upgrade: websocket\nConnection: Upgrade\r\nSec-WebSocket-Accept: %ACCEPT%\nX: 1'])
fromTarget('an empty line of LF alone', GOOD)
all.at(-1)!.response = all.at(-1)!.response.replace(/\r\n$/, '\n')
fromTarget('nothing but a status line', [])
fromTarget('no space behind the colons', GOOD.map(([name, value]) => `${name}:${value}`))
fromTarget('all names in lower case', GOOD.map(([name, value]) => [name!.toLowerCase(), value!]))
fromTarget('the headers in the opposite order', [...GOOD].reverse())
fromTarget('a folded line', [...GOOD, 'X-Folded: a\r\n b'])
fromTarget('a line without a colon', [...GOOD, 'nothing'])
fromTarget('a name with a space', [...GOOD, 'X Y: 1'])
fromTarget('a space before a colon', [...GOOD, 'X : 1'])
fromTarget('a name of no token', [...GOOD, 'X(Y): 1'])
fromTarget('a line without a name', [...GOOD, ': 1'])
fromTarget('a control character in a value', [...GOOD, 'X: a\x01b'])
for (const status of ['100 Continue', '102 Processing', '200 OK', '426 Upgrade Required', '401 Unauthorized']) fromTarget(status, GOOD, `HTTP/1.1 ${status}`)

/** More than 200 handshakes, made systematically: versions, keys, lists, names, repetition, case, space, lines. */
export const ODD_HANDSHAKES: readonly OddHandshake[] = all
