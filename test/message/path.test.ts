import t from 'tap'
import { targetPath } from '../../src/message/path.js'

/** The request's target, the prefix to strip, and what the upstream is asked for, or what is wrong. */
const table: Array<[url: string, stripPrefix: string | undefined, outcome: string | RegExp]> = [
  ['/', undefined, '/'],
  ['/a/b?c=d&e=%20', undefined, '/a/b?c=d&e=%20'],
  ['/a//b', undefined, '/a//b'],
  ['/a%2Fb/%C3%A9', undefined, '/a%2Fb/%C3%A9'],
  ['/a.b/...c/..d/.e', undefined, '/a.b/...c/..d/.e'],
  ['/x?y=../z', undefined, '/x?y=../z'],
  ['/api', '/api', '/'],
  ['/api/', '/api', '/'],
  ['/api/x?y', '/api', '/x?y'],
  ['/api?y', '/api', '/?y'],
  ['/api/x', '/api/', '/x'],
  ['/api/x', '/', '/api/x'],
  ['/%61pi/x', '/api', '/x'],
  ['/a%70%69/x%2Fy', '/api', '/x%2Fy'],
  ['/%C3%A9/x', '/é', '/x'],
  ['/API/x', '/api', '/x'],
  ['/api//evil.test/x', '/api', '//evil.test/x'],
  ['/apix', '/api', /prefix of its route/],
  ['/other', '/api', /prefix of its route/],
  ['/%zz/x', '/api', /prefix of its route/],
  ['/%ff/x', '/api', /malformed escape/],
  ['/..', undefined, /dot segments/],
  ['/../x', undefined, /dot segments/],
  ['/a/../../x', undefined, /dot segments/],
  ['/a/./x', undefined, /dot segments/],
  ['/a/%2e%2e/x', undefined, /dot segments/],
  ['/a/.%2E/x', undefined, /dot segments/],
  ['/a/..%2fx', undefined, /dot segments/],
  ['/a%5c..%5cx', undefined, /dot segments/],
  ['/a\\..\\x', undefined, /dot segments/],
  ['/a/..?x', undefined, /dot segments/],
  ['http://evil.test/x', undefined, /begin with a slash/],
  ['*', undefined, /begin with a slash/],
  ['', undefined, /begin with a slash/]
]

for (const [url, stripPrefix, outcome] of table) {
  t.test(`${url}${stripPrefix === undefined ? '' : ` less ${stripPrefix}`}`, async t => {
    if (typeof outcome === 'string') t.equal(targetPath(url, stripPrefix), outcome)
    else t.throws(() => targetPath(url, stripPrefix), { code: 'SLUICE_PATH_INVALID', message: outcome })
  })
}
