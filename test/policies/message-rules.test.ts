import t from 'tap'
import type { MessageRules } from '../../src/options/index.js'
import { compileMessageRules, type MessageCheck } from '../../src/policies/message-rules.js'
import { random as randomFrom } from '../helpers/random.js'

const OPTION = 'websocket.messages.fromClient'

function rules (given: MessageRules): MessageCheck {
  return compileMessageRules(given, "Route '/chat'", OPTION)
}

/** What the check says of a message: its reason, or undefined. */
function reason (check: MessageCheck, message: unknown): string | undefined {
  return check(typeof message === 'string' ? message : JSON.stringify(message))?.reason
}

t.test('a schema', async t => {
  const check = rules({
    schema: {
      type: 'object',
      required: ['type'],
      properties: { type: { enum: ['buy', 'sell'] }, price: { type: 'number', minimum: 0 }, id: { type: 'string', pattern: '^[a-z]+$' } },
      additionalProperties: false
    }
  })
  t.equal(check('{"type":"buy","price":1.5,"id":"abc"}'), undefined)
  t.strictSame(check('{"type":"buy","price":"1"}'), { reason: '/price must be number', action: 'close' }, 'types are not coerced')
  t.equal(reason(check, { type: 'hold' }), '/type must be equal to one of the allowed values: "buy", "sell"')
  t.equal(reason(check, {}), "must have required property 'type'")
  t.equal(reason(check, { type: 'buy', more: 1 }), 'must NOT have additional properties: "more"')
  t.equal(reason(check, { type: 'buy', id: 'A' }), '/id must match pattern "^[a-z]+$"')
  t.equal(reason(check, { type: 'buy', price: -1 }), '/price must be >= 0')
  t.equal(reason(check, '[]'), 'must be object')
})

t.test('allow and deny', async t => {
  const check = rules({ allow: { '/type': ['subscribe', 'ping', 1, true, null], '/v': [0] }, deny: { '/user/role': ['admin'], '/list/1': ['x'] }, onInvalid: 'drop' })
  const valid = { type: 'ping', v: 0 }
  t.equal(check(JSON.stringify(valid)), undefined)
  t.strictSame(check('{"type":"publish","v":0}'), { reason: '/type must be one of the allowed values', action: 'drop' })
  for (const type of [1, true, null]) t.equal(reason(check, { ...valid, type }), undefined)
  for (const type of ['1', 'true', 'null', false, 0, {}, [], ['ping'], undefined]) t.match(reason(check, { ...valid, type }), /^\/type must be one/, JSON.stringify(type))
  t.equal(check('{"type":"ping","v":-0.0}'), undefined, 'as numbers of JSON are the same')
  t.equal(check('{"type":"\\u0070ing","v":0}'), undefined, 'however it is written')
  t.match(reason(check, { type: 'ping' }), /^\/v must/, 'it must have all of them')
  t.equal(reason(check, { ...valid, user: { role: 'admin' } }), '/user/role must not have this value')
  t.equal(reason(check, { ...valid, list: ['a', 'x'] }), '/list/1 must not have this value')
  t.equal(reason(check, { ...valid, list: { 1: 'x' } }), '/list/1 must not have this value')
  t.equal(reason(check, { ...valid, list: ['x'] }), undefined)
  for (const message of ['1', '"x"', 'null', '[]', '{}']) t.ok(check(message), message)
})

t.test('JSON pointers are those of RFC 6901', async t => {
  const at = (pointer: string, message: string) => rules({ allow: { [pointer]: ['x'] } })(message) === undefined
  t.ok(at('', '"x"'))
  t.ok(at('/', '{"":"x"}'))
  t.ok(at('/a~1b/m~0n', '{"a/b":{"m~n":"x"}}'))
  t.ok(at('/~01', '{"~1":"x"}'))
  t.ok(at('/0', '["x"]'))
  for (const pointer of ['/00', '/-', '/length', '/1e0', '/+0', '/ 0']) t.notOk(at(pointer, '["x","x"]'), pointer)
  t.notOk(rules({ allow: { '/length': [2] } })('["x","x"]') === undefined)
  t.notOk(rules({ allow: { '/0': ['a'] } })('"a"') === undefined, 'no characters of a text')
})

t.test('what is not JSON in a text is not valid under any rules', async t => {
  for (const given of [{ schema: {} }, { allow: { '': [1] } }, { deny: { '/a': [1] } }] as MessageRules[]) {
    t.equal(rules(given)(undefined)?.reason, 'it is binary, not text')
    for (const text of ['', ' ', '{', '{}x', 'undefined', 'NaN', "{'a':1}", '{"a":1,}', '\ufeff{}', '01']) t.equal(rules(given)(text)?.reason, 'it is not JSON', text)
  }
})

t.test('a reason has room in a Close, and ends at the boundary of a character', async t => {
  const check = rules({ schema: { additionalProperties: { type: 'number' } } })
  for (const name of ['a', 'ä', '😀', '\ud83d', 'a😀', '/', '~']) {
    for (const length of [1, 20, 60, 100, 123, 124, 5000]) {
      const { reason } = check(JSON.stringify({ [name.repeat(length)]: 'x' }))!
      t.ok(Buffer.byteLength(reason) <= 123 && Buffer.from(reason).toString() === reason, reason)
      t.ok(reason.endsWith(' must be number'), reason)
    }
  }
  const all = rules({ schema: { additionalProperties: false } })
  t.ok(Buffer.byteLength(reason(all, { ['😀'.repeat(5000)]: 1 })!) <= 123)
  const long = rules({ allow: { [`/${'ä'.repeat(200)}`]: [1] } })
  t.equal(reason(long, {}), `/${'ä'.repeat(42)}… must be one of the allowed values`)
})

t.test('hostile nesting is not valid, and ends nothing', async t => {
  const check = rules({ schema: { $ref: '#/definitions/list', definitions: { list: { type: 'array', items: { $ref: '#/definitions/list' } } } } })
  t.equal(check('[[[]],[]]'), undefined)
  for (const depth of [10_000, 100_000, 1_000_000]) t.equal(reason(check, '['.repeat(depth) + ']'.repeat(depth)), 'it is nested too deeply', String(depth))
  t.equal(reason(rules({ allow: { '/a': [1] } }), '{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000)), '/a must be one of the allowed values')
  const unique = rules({ schema: { uniqueItems: true } })
  t.equal(reason(unique, '['.repeat(100_000) + ']'.repeat(100_000)), 'it is nested too deeply')
})

t.test('names of Object.prototype are names like others', async t => {
  const required = rules({ schema: { type: 'object', required: ['toString', 'constructor'] } })
  t.equal(reason(required, '{}'), "must have required property 'toString'")
  t.equal(reason(required, '{"toString":1,"constructor":2}'), undefined)
  const known = rules({ schema: { properties: { a: {} }, additionalProperties: false } })
  t.equal(reason(known, '{"__proto__":1}'), 'must NOT have additional properties: "__proto__"')
  t.equal(reason(rules({ schema: { properties: { constructor: { type: 'number' }, valueOf: { type: 'number' } } } }), '{}'), undefined)
  t.match(reason(rules({ allow: { '/__proto__/x': [1] } }), '{"a":1}'), /must be one/)
  t.equal(reason(rules({ allow: { '/__proto__/x': [1] } }), '{"__proto__":{"x":1}}'), undefined)
  t.match(reason(rules({ allow: { '/constructor/name': ['Object'] } }), '{}'), /must be one/)
  // What compares objects for Ajv calls their valueOf().
  t.equal(reason(rules({ schema: { const: { a: 1 } } }), '{"valueOf":1}'), 'it cannot be checked')
  t.equal(({} as Record<string, unknown>)['x'], undefined)
})

t.test('numbers that no double holds', async t => {
  const check = rules({ schema: { properties: { n: { type: 'number' }, i: { type: 'integer' } } } })
  t.equal(reason(check, '{"n":1e999}'), '/n must be number')
  t.equal(reason(check, '{"i":-1e400}'), '/i must be integer')
  t.equal(reason(check, `{"n":${'9'.repeat(400)}}`), '/n must be number')
  t.equal(reason(check, '{"n":1e-400,"i":1e300}'), undefined)
  t.equal(reason(rules({ deny: { '/n': [1] } }), '{"n":1e999}'), undefined)
})

t.test('of a name that is there twice, the last value is checked', async t => {
  const check = rules({ allow: { '/type': ['ping'] } })
  t.equal(check('{"type":"admin","type":"ping"}'), undefined)
  t.ok(check('{"type":"ping","type":"admin"}'))
})

t.test('half a character is one', async t => {
  t.equal(reason(rules({ schema: { maxLength: 1, pattern: '^.$' } }), '"\\ud83d"'), undefined)
  t.equal(reason(rules({ schema: { maxLength: 1 } }), '"\\ud83d\\ude00"'), undefined, 'characters are counted')
  t.equal(reason(rules({ schema: { additionalProperties: false } }), '{"\\ud83d":1}'), 'must NOT have additional properties: "\\ud83d"')
})

t.test('items are compared as JSON does, in time that grows with their number alone', async t => {
  const check = rules({ schema: { uniqueItems: true } })
  t.equal(reason(check, '[1,"1",{"a":1,"b":2},{"a":1},[],{},null,false,0,""]'), undefined)
  for (const text of ['[1,1.0]', '[0,-0]', '["a","\\u0061"]', '[{"a":1,"b":[2]},{"b":[2],"a":1}]', '[[],[]]', '[null,null]']) t.equal(reason(check, text), 'must NOT have duplicate items', text)
  const { duration, result } = timed(() => check(`[${Array.from({ length: 100_000 }, (_, index) => `[${index}]`).join()}]`))
  t.equal(result, undefined)
  t.ok(duration < 5_000, `${duration} ms`)
})

t.test('no pattern backtracks, and the work of all has a bound', async t => {
  const check = rules({ schema: { additionalProperties: { pattern: '^(a|a)*$' }, patternProperties: { '^(b|b)*$': {} } } })
  t.equal(reason(check, { x: 'a'.repeat(1000) }), undefined)
  for (const message of [{ x: `${'a'.repeat(20_000)}!` }, { [`${'b'.repeat(20_000)}!`]: 'a' }]) {
    const { duration, result } = timed(() => reason(check, message))
    t.ok(result === undefined || result.length < 124, String(result))
    t.ok(duration < 5_000, `${duration} ms`)
  }
  t.equal(reason(check, { x: 'a'.repeat(2 ** 21) }), 'it takes too long to check')
  t.equal(reason(check, Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [index, 'a'.repeat(20)]))), 'it takes too long to check', 'over all of a message')
  t.equal(reason(check, { x: 'a' }), undefined, 'and the next one begins anew')
})

t.test('a schema that refers to itself in several branches takes no exponential time', async t => {
  const check = rules({
    schema: {
      definitions: { node: { anyOf: [{ required: ['x'], properties: { a: { $ref: '#/definitions/node' } } }, { properties: { a: { $ref: '#/definitions/node' } }, maxProperties: 1 }, { type: 'null' }] } },
      allOf: [{ $ref: '#/definitions/node' }]
    }
  })
  const nested = (depth: number, end: string): string => '{"x":1,"a":'.repeat(depth) + end + '}'.repeat(depth)
  t.equal(reason(check, nested(5, 'null')), undefined)
  const { duration, result } = timed(() => reason(check, nested(60, '5')))
  t.equal(result, undefined === result ? undefined : 'it takes too long to check')
  t.ok(duration < 5_000, `${duration} ms`)
  const items = rules({ schema: { type: 'array', items: { $ref: '#/definitions/n' }, definitions: { n: { $ref: '#/definitions/m' }, m: { type: 'integer' } } } })
  t.equal(reason(items, `[${Array(300_000).fill('1').join()}]`), undefined, 'a long message has room')
})

t.test('formats', async t => {
  const check = rules({ schema: { properties: { at: { format: 'date-time' }, id: { format: 'uuid' }, mail: { format: 'email' }, uri: { format: 'uri' } } } })
  t.equal(reason(check, { at: '2026-02-28T12:00:00Z', id: '123e4567-e89b-12d3-a456-426614174000', mail: 'a@b.example', uri: 'https://a.example/x?y#z' }), undefined)
  t.equal(reason(check, { at: '2026-02-30T12:00:00Z' }), '/at must match format "date-time"')
  t.equal(reason(check, { mail: 'a' }), '/mail must match format "email"')
  for (const name of ['at', 'id', 'mail', 'uri']) {
    for (const part of ['a', '1', 'a.', 'a@', '-1', ':', '%20', 'http://', '1T', '\n']) {
      const { duration } = timed(() => check(JSON.stringify({ [name]: part.repeat(2 ** 20 / part.length) })))
      t.ok(duration < 2_000, `${name} ${part}: ${duration} ms`)
    }
  }
})

t.test('2020-12, where $schema says so', async t => {
  const $schema = 'https://json-schema.org/draft/2020-12/schema'
  const check = rules({ schema: { $schema, type: 'array', prefixItems: [{ const: 'a' }, { type: 'number' }], items: false } })
  t.equal(reason(check, ['a', 1]), undefined)
  t.equal(reason(check, ['a', 'b']), '/1 must be number')
  t.equal(reason(check, ['a', 1, 2]), 'must NOT have more than 2 items')
  const open = rules({ schema: { $schema, allOf: [{ properties: { a: {} } }], unevaluatedProperties: false } })
  t.equal(reason(open, { a: 1 }), undefined)
  t.equal(reason(open, { b: 1 }), 'must NOT have unevaluated properties: "b"')
  const tree = rules({ schema: { $schema, $dynamicAnchor: 'node', type: 'object', properties: { children: { items: { $dynamicRef: '#node' } } } } })
  t.equal(reason(tree, { children: [{ children: [] }] }), undefined)
  t.equal(reason(tree, { children: [{ children: [1] }] }), '/children/0/children/0 must be object')
  t.equal(reason(rules({ schema: { $schema: 'http://json-schema.org/draft-07/schema#', type: 'null' } }), 'null'), undefined)
})

t.test('a discriminator says which branch is meant', async t => {
  const check = rules({
    schema: {
      type: 'object',
      discriminator: { propertyName: 'type' },
      required: ['type'],
      oneOf: [{ properties: { type: { const: 'a' }, n: { type: 'number' } } }, { properties: { type: { const: 'b' }, s: { type: 'string' } } }]
    }
  })
  t.equal(reason(check, { type: 'a', n: 'x' }), '/n must be number')
  t.equal(reason(check, { type: 'b', s: 1 }), '/s must be string')
  t.equal(reason(check, { type: 'c' }), 'value of tag "type" must be in oneOf')
})

t.test('if and then', async t => {
  const check = rules({ schema: { if: { properties: { type: { const: 'a' } } }, then: { properties: { n: { type: 'number' } } } } })
  t.equal(reason(check, { type: 'a', n: 'x' }), '/n must be number')
})

t.test('a schema that cannot be compiled names the route and the place', async t => {
  const wrong = (schema: Record<string, unknown>): string => {
    try {
      rules({ schema })
      return ''
    } catch (error) {
      t.equal((error as { code?: string }).code, 'SLUICE_OPTIONS_INVALID')
      const [, text] = /^Route '\/chat': option 'websocket\.messages\.fromClient\.(schema.*)$/s.exec((error as Error).message) ?? []
      return text ?? (error as Error).message
    }
  }
  t.equal(wrong({ properties: { price: { type: 'nummer' } } }), "schema.properties.price.type': must be equal to one of the allowed values: \"array\", \"boolean\", \"integer\", \"null\", \"number\", \"object\", \"string\"")
  t.equal(wrong({ properties: { a: { minimun: 1 } } }), "schema.properties.a.minimun': there is no such keyword in JSON Schema, and so nothing would be checked by it; did you mean 'minimum'?")
  t.match(wrong({ items: [{ $async: true }] }), /^schema\.items\.0\.\$async': there is no such keyword/)
  t.equal(wrong({ $async: true }).slice(0, 15), "schema.$async':")
  t.equal(wrong({ $ref: 'https://example.com/order.json' }), "schema.$ref': 'https://example.com/order.json' is no part of this schema, and no other document is loaded; put it under 'definitions', and write #/definitions/NAME")
  t.equal(wrong({ properties: { a: { $ref: '#/definitions/none' } } }), "schema.properties.a.$ref': there is nothing at '#/definitions/none' in the schema; correct it")
  t.equal(wrong({ properties: { a: { pattern: '(?=a)' } } }), "schema.properties.a.pattern': '(?=a)' has no bound on the time that it takes: invalid or unsupported Perl syntax: `(?=`. Write it without lookarounds, back references and repetitions of more than 1000.")
  t.match(wrong({ patternProperties: { '(a)\\1': {} } }), /^schema\.patternProperties\.\(a\)\\1': .* has \\1, which is not supported/)
  t.match(wrong({ items: { format: 'url' } }), /^schema\.items\.format': must be one of date, .*; got "url"/)
  t.match(wrong({ properties: JSON.parse('{"__proto__":{}}') as object }), /^schema\.properties\.__proto__': a property of this name cannot be checked/)
  t.equal(wrong({ $schema: 'http://json-schema.org/draft-04/schema#' }), "schema.$schema': must be http://json-schema.org/draft-07/schema#, which holds for a schema without it, or https://json-schema.org/draft/2020-12/schema; got \"http://json-schema.org/draft-04/schema#\"")
  t.match(wrong({ minItems: -1 }), "schema.minItems': must be >= 0")
  t.match(wrong({ prefixItems: [] }), /^schema\.prefixItems': there is no such keyword/)
  t.match(wrong({ $schema: 'https://json-schema.org/draft/2020-12/schema', items: [{}] }), /^schema\.items': must be object,boolean/)
  t.match(wrong({ discriminator: { propertyName: 'x' } }), /^schema': discriminator: requires oneOf keyword/)
  t.throws(() => rules({ onInvalid: 'drop' }), { message: "Route '/chat': option 'websocket.messages.fromClient': must have 'schema', 'allow' or 'deny', or there is nothing to check" })
})

t.test('schemas do not meet each other', async t => {
  const schema = (type: string) => ({ $id: 'http://x/root', $ref: 'item', definitions: { item: { $id: 'item', type } } })
  const [one, other] = [rules({ schema: schema('number') }), rules({ schema: schema('string') })]
  t.strictSame([reason(one, 1), reason(one, '"a"'), reason(other, '"a"'), reason(other, 1)], [undefined, 'must be number', undefined, 'must be string'])
  const same = schema('null')
  t.equal(reason(rules({ schema: same }), 'null') ?? reason(rules({ schema: same }), 'null'), undefined)
})

t.test('whatever comes, the check gives a result', async t => {
  const random = randomFrom(1)
  const pick = <T>(...choices: T[]): T => choices[random(choices.length)]!
  const value = (depth: number): unknown => depth === 0
    ? pick<unknown>(null, true, 0, -1.5, 1e300, '', 'a', '\ud83d', '😀', 'toString')
    : pick<() => unknown>(
      () => value(0),
    () => Array.from({ length: random(4) }, () => value(depth - 1)),
    () => Object.fromEntries(Array.from({ length: random(4) }, () => [pick('a', 'b', '__proto__', 'constructor', 'valueOf', 'length', ''), value(depth - 1)]))
    )()
  const checks = [
    rules({ schema: { $ref: '#/definitions/v', definitions: { v: { anyOf: [{ type: ['null', 'boolean', 'number'] }, { type: 'string', pattern: '^\\S*$' }, { type: 'array', uniqueItems: true, items: { $ref: '#/definitions/v' } }, { type: 'object', propertyNames: { maxLength: 6 }, additionalProperties: { $ref: '#/definitions/v' }, const: { a: 1 } }] } } } }),
    rules({ allow: { '/a': [1], '/a/b': [null] }, deny: { '': ['a'], '/0': [0] } }),
    rules({ schema: { enum: [{ a: { b: [] } }, [], 0], not: { required: ['length'] } } })
  ]
  for (let round = 0; round < 3_000; round++) {
    const whole = JSON.stringify(value(5))
    const text = random(3) === 0 ? whole.slice(0, random(whole.length + 1)) + pick('', '"', '}', '\\', '\0') : whole
    for (const check of checks) {
      const found = check(text)
      if (found !== undefined && (found.reason === '' || Buffer.byteLength(found.reason) > 123)) t.fail(text)
    }
  }
})

function timed<T> (work: () => T): { result: T, duration: number } {
  const start = performance.now()
  return { result: work(), duration: performance.now() - start }
}
