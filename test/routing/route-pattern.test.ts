import t from 'tap'
import { hasExpression, withoutExpressions } from '../../src/routing/route-pattern.js'

t.test('the expressions of a pattern are taken out', async t => {
  for (const [pattern, wanted] of [
    ['/', '/'],
    ['/a/*', '/a/*'],
    ['*', '*'],
    ['/a/:id', '/a/:p2'],
    ['/a/:id?', '/a/:p2?'],
    ['/a/:id(^\\d+$)', '/a/:p2'],
    ['/a/:id(^\\d+$)/b', '/a/:p2/b'],
    ['/:path(^a/\\)(b|c)$)/x', '/:p1/x'],
    ['/:a-:b.:c/*', '/:p1/*'],
    ['/at/:hour(^\\d{2})h:minute(^\\d{2})m', '/at/:p2'],
    ['/user-:id.png', '/user-:p1'],
    ['/a::b/:c', '/a::b/:p2']
  ] as const) {
    t.equal(withoutExpressions(pattern), wanted, pattern)
    t.equal(hasExpression(pattern), /[(-]/.test(pattern), pattern)
  }
})
