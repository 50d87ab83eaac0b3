import { fastify } from 'fastify'
import t from 'tap'
import { loggerOptions } from '../../src/service/logger.js'

/** What one line looks like on an output. */
function logged (isTTY: boolean | undefined): string {
  let text = ''
  const { log } = fastify({ logger: loggerOptions('warn', undefined, { isTTY, write: line => { text += line } }) })
  log.info('not heard')
  log.warn({ answer: 42 }, 'heard')
  return text
}

t.test('writes JSON', async t => {
  t.match(JSON.parse(logged(undefined)), { level: 40, answer: 42, msg: 'heard' })
})

t.test('is readable on a terminal', async t => {
  const text = logged(true)
  t.match(text, /WARN/)
  t.match(text, /heard/)
  t.match(text, '\u001b[', 'in colours')
  t.notMatch(text, /"msg"|not heard/)
})
