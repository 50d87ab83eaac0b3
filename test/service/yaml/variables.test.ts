import t from 'tap'
import { replaceVariables } from '../../../src/service/yaml/variables.js'

/* eslint-disable no-template-curly-in-string */

const VARIABLES = { HOST: 'app.example', PORT: '8080', EMPTY: '', TRICK: '${HOST}' }

t.test('variables are replaced, with their defaults', async t => {
  for (const [text, result] of [
    ['http://${HOST}:${PORT}/', 'http://app.example:8080/'],
    ['${NONE:-fallback}', 'fallback'],
    ['${EMPTY:-fallback}', 'fallback'],
    ['${NONE:-}', ''],
    ['${NONE:-http://a:-b}', 'http://a:-b'],
    ['${PORT:-1}', '8080'],
    ['${TRICK}', '${HOST}'],
    ['$${HOST}', '${HOST}'],
    ['a$${b}${PORT}$$', 'a${b}8080$$'],
    ['$HOST $1 {HOST}', '$HOST $1 {HOST}']
  ] as const) t.match(replaceVariables(text, VARIABLES), { text: result, problem: undefined }, text)
})

t.test('one that is missing, empty or no name is an error', async t => {
  for (const [text, problem] of [
    ['${NONE}', 'the environment variable NONE is not set; set it, or give a default: ${NONE:-default}'],
    ['a ${EMPTY}', 'the environment variable EMPTY is empty; set it, or give a default: ${EMPTY:-default}'],
    ['${constructor}', 'the environment variable constructor is not set; set it, or give a default: ${constructor:-default}'],
    ['${HOST', "'${' has no '}' behind it; write $${ for the characters themselves"],
    ['${A-B}', "'${A-B}' does not name an environment variable; write ${NAME} or ${NAME:-default}, or $${ for the characters themselves"],
    ['${}', "'${}' does not name an environment variable; write ${NAME} or ${NAME:-default}, or $${ for the characters themselves"]
  ] as const) t.equal(replaceVariables(text, VARIABLES).problem, problem, text)
})
