import t from 'tap'
import { parseTarget, pathAt } from '../../src/net/target-address.js'

t.test('origins', async t => {
  t.same(parseTarget('http://127.0.0.1:5173'), { url: 'http://127.0.0.1:5173', basePath: '', secure: false, hostname: '127.0.0.1', port: 5173, host: '127.0.0.1:5173', serverName: '127.0.0.1' })
  t.match(parseTarget('http://localhost/'), { url: 'http://localhost', port: 80, host: 'localhost' })
  t.match(parseTarget('https://example.test'), { secure: true, port: 443 })
  t.match(parseTarget('http://[::1]:80'), { hostname: '::1', port: 80, host: '[::1]' })
  t.match(parseTarget('unix:/run/app.sock'), { url: 'unix:/run/app.sock', socketPath: '/run/app.sock', secure: false, host: 'localhost' })
  t.match(parseTarget('HTTP://Example.TEST:8080'), { url: 'http://example.test:8080' })
})

t.test('a base path', async t => {
  const address = parseTarget('http://127.0.0.1:1/app//')
  t.match(address, { url: 'http://127.0.0.1:1/app', basePath: '/app' })
  t.equal(pathAt(address, '/x?y'), '/app/x?y')
  t.equal(pathAt(address, '/'), '/app/')
  t.equal(pathAt(address, '*'), '*')
  t.match(parseTarget('https://localhost/a%20b/c'), { basePath: '/a%20b/c' })
  t.equal(pathAt(parseTarget('http://localhost'), '/x'), '/x')
})

t.test('a name of its own', async t => {
  t.match(parseTarget('https://10.0.0.1:8443', 'app.example'), { hostname: '10.0.0.1', port: 8443, host: 'app.example:8443', serverName: 'app.example' })
  t.match(parseTarget('https://10.0.0.1', 'app.example'), { host: 'app.example', serverName: 'app.example' })
  t.match(parseTarget('http://10.0.0.1:3000', 'app.example:80'), { host: 'app.example:80', serverName: 'app.example', port: 3000 })
  t.match(parseTarget('https://10.0.0.1', '[::1]:444'), { host: '[::1]:444', serverName: '::1' })
  t.match(parseTarget('unix:/run/app.sock', 'app.example'), { host: 'app.example' })
  for (const name of ['', 'a b', 'a/b', 'http://a', 'a:b', 'a:123456', '::1', 'a\r\nX: 1']) {
    t.throws(() => parseTarget('http://10.0.0.1', name), { code: 'SLUICE_TARGET_MALFORMED', message: /is not a host/ }, name)
  }
})

const malformed: Record<string, RegExp> = {
  '': /no scheme/,
  'localhost:80': /did you mean 'http:\/\/localhost:80'/,
  '//localhost': /no scheme/,
  'http://': /: it has no host; did you mean 'http:\/\/127\.0\.0\.1:5173'\?$/,
  'https:///path': /it has no host; did you mean 'https:\/\/127/,
  'http://:3000': /: it has no host; did you mean 'http:\/\/127\.0\.0\.1:3000'\?$/,
  'http://3000': /: '3000' is a port without a host; did you mean 'http:\/\/127\.0\.0\.1:3000'\?$/,
  'http://3000/path': /: '3000' is a port without a host/,
  3000: /: it has no scheme; did you mean 'http:\/\/127\.0\.0\.1:3000'\?$/,
  ':3000': /: it has no scheme; did you mean 'http:\/\/127\.0\.0\.1:3000'\?$/,
  'localhost:3000': /: it has no scheme; did you mean 'http:\/\/localhost:3000'\?$/,
  '[::1]:3000': /: it has no scheme; did you mean 'http:\/\/\[::1\]:3000'\?$/,
  '//localhost:3000': /: it has no scheme; did you mean 'http:\/\/localhost:3000'\?$/,
  'http:/localhost': /: it has no scheme; did you mean 'http:\/\/localhost'\?$/,
  'https//localhost': /: it has no scheme; did you mean 'https:\/\/localhost'\?$/,
  'http:3000': /: it has no scheme; did you mean 'http:\/\/127\.0\.0\.1:3000'\?$/,
  'a b': /: it has no scheme; write it as in 'http:\/\/127\.0\.0\.1:5173'$/,
  'http://a b': /it has a space/,
  'http://[::1': /is not a valid URL; write it as in/,
  'http://localhost:99999': /its port must be one of 1 to 65535, got 99999/,
  'http://localhost:0': /port 0/,
  'ftp://localhost': /scheme 'ftp'/,
  'ws://localhost:1': /write 'http:\/\/localhost:1'/,
  'wss://localhost': /write 'https:\/\/localhost'/,
  'http://localhost/app?x': /query or a fragment; write 'http:\/\/localhost\/app'/,
  'http://localhost/?x': /query or a fragment; write 'http:\/\/localhost'/,
  'http://localhost/#x': /query or a fragment/,
  'http://localhost//app': /two slashes/,
  'unix:app.sock': /absolute path/,
  'unix://run/app.sock': /absolute path/,
  'http://user:secret@localhost': /credentials/
}
for (const [text, message] of Object.entries(malformed)) {
  t.test(`'${text}' is malformed`, async t => {
    t.throws(() => parseTarget(text), { code: 'SLUICE_TARGET_MALFORMED', message })
  })
}
