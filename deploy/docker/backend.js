// A backend for compose.yaml: it responds with its name, and repeats what a WebSocket says.
import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'

const [name] = process.argv.slice(2)
const server = createServer((request, response) => response.end(`${name} got ${request.method} ${request.url}\n`))
new WebSocketServer({ server }).on('connection', socket => {
  socket.on('message', message => socket.send(`${name} got ${message}`))
})
// The image sets HOST=0.0.0.0.
server.listen(3000, process.env.HOST)
process.once('SIGTERM', () => process.exit())
