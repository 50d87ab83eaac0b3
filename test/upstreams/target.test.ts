import t from 'tap'
import { parseTarget } from '../../src/net/target-address.js'

t.test('origins', async t => {
  t.same(parseTarget('http://127.0.0.1:5173'), { origin: 'http://127.0.0.1:5173', secure: false, hostname: '127.0.0.1', port: 5173, host: '127.0.0.1:5173' })
  t.match(parseTarget('http://localhost/'), { origin: 'http://localhost', port: 80, host: 'localhost' })
  t.match(parseTarget('https://example.test'), { secure: true, port: 443 })
  t.match(parseTarget('http://[::1]:80'), { hostname: '::1', port: 80, host: '[::1]' })
  t.match(parseTarget('unix:/run/app.sock'), { origin: 'unix:/run/app.sock', socketPath: '/run/app.sock', secure: false, host: 'localhost' })
  t.match(parseTarget('HTTP://Example.TEST:8080'), { origin: 'http://example.test:8080' })
})

const malformed: Record<string, RegExp> = {
  '': /no scheme/,
  'localhost:80': /did you mean 'http:\/\/localhost:80'/,
  '//localhost': /no scheme/,
  'http://': /no valid URL/,
  'http://a b': /no valid URL/,
  'http://localhost:99999': /no valid URL/,
  'http://localhost:0': /port 0/,
  'ftp://localhost': /scheme 'ftp'/,
  'ws://localhost:1': /write 'http:\/\/localhost:1'/,
  'wss://localhost': /write 'https:\/\/localhost'/,
  'http://localhost/app': /write 'http:\/\/localhost'/,
  'http://localhost/?x': /path, query or fragment/,
  'http://localhost/#x': /path, query or fragment/,
  'unix:app.sock': /absolute path/,
  'unix://run/app.sock': /absolute path/,
  'http://user:secret@localhost': /credentials/
}
for (const [text, message] of Object.entries(malformed)) {
  t.test(`'${text}' is malformed`, async t => {
    t.throws(() => parseTarget(text), { code: 'SLUICE_TARGET_MALFORMED', message })
  })
}
