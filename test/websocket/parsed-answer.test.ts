import { Socket } from 'node:net'
import t from 'tap'
import type { OfferResult } from '../../src/websocket/offer.js'
import { ParsedAnswer } from '../../src/websocket/parsed-answer.js'

// Chunks that come in one turn of the event loop wait until Node's client looks at the connection.
t.test('what stands behind a 101 is kept whole, in however many chunks it has come', async t => {
  const connection = new Socket()
  t.teardown(() => { connection.destroy() })
  const result = await new Promise<OfferResult>((resolve, reject) => {
    const answer = new ParsedAnswer(connection, { onAnswer: resolve, onError: reject })
    for (const chunk of ['HTTP/1.1 103 Early Hints\r\n\r\n', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\none ', 'two ', 'three ', 'four']) {
      answer.push(Buffer.from(chunk))
    }
  })
  t.match(result, { accepted: true, message: 'Switching Protocols' })
  t.equal(String((result as Extract<OfferResult, { accepted: true }>).head), 'one two three four')
})
