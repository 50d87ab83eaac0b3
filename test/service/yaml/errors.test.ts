import t from 'tap'
import { parseConfig } from '../../../src/service/config-file.js'

// Issue 12: the library's own words for YAML that cannot be read.

/** What is said of a file, without its name. */
function said (text: string): string[] {
  try {
    parseConfig(text, 'f', true)
  } catch (error) {
    return (error as Error).message.split('\n').map(line => line.replace(/^f:/, ''))
  }
  return []
}

const cases: Record<string, Array<[text: string, ...lines: string[]]>> = {
  tabs: [
    ['routes:\n\t- url: /a\n', '2:1: there is a tab; YAML is indented with spaces alone, so replace it by spaces'],
    ['routes:\n  - url: /a\n\t  upstream: x\n', '3:1: there is a tab; YAML is indented with spaces alone, so replace it by spaces'],
    ['listen: {\n\tport: 1 }\n', '2:1: there is a tab; YAML is indented with spaces alone, so replace it by spaces'],
    ['listen:\n\tport: 1\n\thost: a\n', '2:1: there is a tab; YAML is indented with spaces alone, so replace it by spaces', '3:1: there is a tab; YAML is indented with spaces alone, so replace it by spaces'],
    ['routes:\n  -\turl: /a\n    upstream: b\n', '2:4: there is a tab where YAML has spaces; replace it by spaces']
  ],
  indentation: [
    ['routes:\n  - url: /a\n   upstream: x\n', '3:4: the line is indented by 3 spaces, but the entries that it could stand beside by 0 or 4'],
    ['upstreams:\n  a:\n    targets: [x]\n   b: 1\n', '4:4: the line is indented by 3 spaces, but the entries that it could stand beside by 0, 2 or 4'],
    ['listen:\n   port: 1\n  host: a\n', '3:3: the line is indented by 2 spaces, but the entries that it could stand beside by 0 or 3'],
    ['listen:\n  port: 1\n   host: a\n', '3:4: the line is indented further than the one above, whose value is complete; indent it by 2 spaces, too'],
    ['routes:\n  - url: /a\n   - url: /b\n', '3:4: the line is indented by 3 spaces, but the items that it could stand beside by 2'],
    ['routes:\n  - url: /a\n  url: /b\n', "3:3: the line is indented by 2 spaces, but the entries that it could stand beside by 0 or 4; an item of the list that is indented like it begins with '- '"],
    ['routes:\n   - url: /a\n  - url: /b\n', "3:3: an item of a list ('- ') is where no list is; indent it like the first item of its list"],
    ['listen:\n  port: 1\n  - a\n', "3:3: an item of a list ('- ') is where no list is; indent it like the first item of its list"]
  ],
  colons: [
    ['routes\n  - url: /a\n', "1:1: a colon is missing behind 'routes'; write 'routes:'"],
    ['routes:\n  - url /a\n    upstream: b\n', "2:5: a colon is missing behind 'url'; write 'url: /a'"],
    ['listen:\n  host: a\n  port 1 # comment\n', "3:3: a colon is missing behind 'port'; write 'port: 1'"],
    ['logLevel:info\nroutes: []\n', "1:1: a space is missing behind the colon; write 'logLevel: info'"],
    ['routes:\n  - url: /a upstream: b\n', "2:10: there is a second ': ' in the line; put the value in quotes, or begin a new line for the second key"],
    [`${'a'.repeat(1100)}: b\n`, "1:1: the key is longer than 1024 characters; is the ': ' behind it missing, or a quote?"]
  ],
  'quotes and brackets': [
    ['logLevel: "info\nroutes: []\n', '1:11: the quote that is opened here is never closed; close it at the end of the text'],
    ["logLevel: 'info\nroutes: []\n", '1:11: the quote that is opened here is never closed; close it at the end of the text'],
    ['listen:\n  host: "a\n    port: "b\n', '2:9: the quote that is opened here is closed only in line 3; close it in its own line'],
    ["logFile: 'it's'\n", "1:14: the quote before this ends the text; a ' inside of a text in single quotes is written twice ('')"],
    ['logLevel: "in"fo\n', "1:15: 'fo' follows a value that is complete; put the value in quotes as a whole, or begin a new line"],
    ['routes:\n  - { url: /a\nlogLevel: info\n', "2:5: the '{' is not closed; put a '}' behind its last entry, and indent the lines between them further than the line of the '{'"],
    ['routes: [ { url: /a }\n', "1:9: the '[' is not closed; put a ']' behind its last entry, and indent the lines between them further than the line of the '['"],
    ['routes: [ { url: /a ] }\n', "1:11: the '{' is not closed; put a '}' behind its last entry, and indent the lines between them further than the line of the '{'"],
    ['routes: ]\n', "1:9: there is a ']' without a '[' before it; remove it"],
    ['listen: { port: 1 host: a }\n', '1:17: a comma is missing; inside { } and [ ] entries are separated by commas'],
    ['routes: [{ url: /a } { url: /b }]\n', "1:22: '{' follows a value that is complete; a comma is missing between them, or the value must be in quotes as a whole"],
    ['{\n  "listen": {}\n  "logLevel": "info"\n}\n', "3:3: a comma is missing before '\"logLevel\":'"],
    ['listen: { port: 1, , host: a }\n', '1:20: there is a comma with nothing before it; remove it'],
    ['routes: [\n  - url: /a\n]\n', "2:3: inside [ ] items have no '- ' before them, but commas between them; or remove the brackets"],
    // eslint-disable-next-line no-template-curly-in-string
    ['listen: {${X}}\n', "1:11: a comma or a colon is missing before '{'"]
  ],
  'characters with a meaning': [
    ['logLevel: "in\\qfo"\n', "1:14: '\\q' is not an escape sequence of YAML; write '\\\\q' for a backslash, or put the text in single quotes"],
    ['logLevel: @x # why\n', "1:11: a text cannot begin with @; put it in quotes: '@x'"],
    ['logLevel: `x`\n', "1:11: a text cannot begin with `; put it in quotes: '`x`'"],
    ['logLevel: %x\n', "1:11: a text cannot begin with %; put it in quotes: '%x'"],
    ['routes:\n  - { constraints: { host: *.example.com } }\n', "2:28: alias '*.example.com' has no anchor '&.example.com' before it; a text that begins with * must be in quotes: '*.example.com'"],
    ['routes:\n  - url: *\n', "2:10: '*' begins an alias, and has no name behind it; put a text that begins with it in quotes: '*'"],
    ['logLevel: &\n', "1:11: '&' begins an anchor, and has no name behind it; put a text that begins with it in quotes: '&'"],
    ['logLevel: &a &b c\n', "1:14: a value can have one anchor; remove '&b'"],
    ['a: &x 1\nb: &y *x\n', "2:7: alias '*x' cannot have an anchor or a tag; remove what stands before it"],
    ['logLevel: !x y\n', "1:11: the tag '!x' is not known here; remove it, or put a text that begins with ! in quotes"],
    ['logLevel: !!int abc\n', "1:11: what follows '!!int' is not of that type; remove '!!int'"],
    ['logLevel: "info"#x\n', "1:17: a space is missing before '#', with which a comment begins; a text with # must be in quotes"]
  ],
  'documents, directives and blocks': [
    ['listen: {}\n---\nlisten: {}\n', "2:1: there must be one document in the file; remove the '---' and what follows"],
    ['listen: {}\n...\nlisten: {}\n', "3:1: there must be one document in the file; remove the '...' and what follows"],
    ['--- a: b\n', "1:5: '---' must be in a line of its own"],
    ['%FOO bar\n---\nlisten: {}\n', '1:1: the line begins with %, and is not a directive that is known here; remove it (Unknown directive %FOO)'],
    ['%YAML 1.2\nlisten: {}\n', "2:1: the lines that begin with % must be followed by a line '---'; or remove them"],
    ['logLevel: |x\n  a\n', "1:12: behind '|' or '>' there can be only a digit, '+' or '-'; begin the text in the next line"],
    ['logLevel: |\n     \n  a\n', "3:3: the text behind '|' or '>' begins with empty lines that have more spaces than its first line; remove their spaces"]
  ],
  'several at once, one a line': [
    ['listen: {}\nlisten: {}\nlogLevel: "\\q"\nlogLevel: @\n',
      "2:1: the key 'listen' is there already; every key must be unique",
      "3:12: '\\q' is not an escape sequence of YAML; write '\\\\q' for a backslash, or put the text in single quotes",
      "4:1: the key 'logLevel' is there already; every key must be unique"]
  ],
  'what is right': [['\uFEFFlisten: {}\n'], ['listen:\r\n  port: 1\r\n'], ['{ "listen": { "port": 1, }, }'], ['logLevel:\tinfo\n']]
}

for (const [name, list] of Object.entries(cases)) {
  t.test(name, async t => {
    for (const [text, ...lines] of list) t.strictSame(said(text), lines, JSON.stringify(text).slice(0, 80))
  })
}

t.test('aliases that multiply', async t => {
  const lines = ['a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]']
  for (const [name, other] of ['ba', 'cb', 'dc', 'ed'].map(pair => [...pair])) lines.push(`${name}: &${name} [${Array(10).fill(`*${other}`).join(', ')}]`)
  t.strictSame(said(lines.join('\n')), ["1:1: its aliases ('*name') stand for too many values; write them out"])
})

t.test('an error is found at the same place behind CRLF', async t => {
  t.strictSame(said('listen:\r\n  port: 1\r\n   host: a\r\n'), ['3:4: the line is indented further than the one above, whose value is complete; indent it by 2 spaces, too'])
})
