import { once, EventEmitter } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import t from 'tap'
import { openPage } from '../../helpers/chromium.js'
import { listen } from '../../helpers/backends.js'
import { startRecipe } from '../../helpers/recipe.js'

t.test('EventSource of a browser, by its recipe', async t => {
  const streams = new EventEmitter()
  const { url: target } = await listen(t, createServer((request, response) => {
    if (request.url !== '/events') {
      response.setHeader('content-type', 'text/html')
      return response.end('<!doctype html><p></p><script>new EventSource("/events").onmessage = ({ data }) => { document.querySelector("p").textContent = data }</script>')
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('retry: 10\n\n')
    streams.emit('stream', response, request.headers['last-event-id'])
  }))
  const { url } = await startRecipe(t, 'server-sent-events', { 'http://127.0.0.1:3000': target })
  const page = await openPage(t)
  const opened = once(streams, 'stream')
  await page.goto(url)
  const [stream, id] = await opened as [ServerResponse, string | undefined]
  t.equal(id, undefined)

  t.test('each event arrives when it is sent', async t => {
    for (const number of [1, 2, 3]) {
      stream.write(`id: ${number}\ndata: event ${number}\n\n`)
      await page.getByText(`event ${number}`).waitFor()
    }
    t.equal(await page.locator('p').textContent(), 'event 3')
  })

  t.test('it comes back after the loss of the target, where it was', async t => {
    const reopened = once(streams, 'stream')
    stream.destroy()
    const [next, id] = await reopened as [ServerResponse, string | undefined]
    t.equal(id, '3')
    next.write('id: 4\ndata: event 4\n\n')
    await page.getByText('event 4').waitFor()

    t.test('and the target sees the client leave', async () => {
      const left = once(next, 'close')
      await page.close()
      await left
    })
  })
})
