import { WebSocketServer } from 'ws'
import { httpBackend, type Teardown } from './backends.js'

/** The URL of a backend that responds to every request, and to every message, with its name. */
export async function namedBackend (t: Teardown, name: string): Promise<string> {
  const { url, server } = await httpBackend(t, (_request, response) => { response.end(name) })
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', socket => { socket.on('message', () => socket.send(name)) })
  t.teardown(() => { for (const socket of sockets.clients) socket.terminate() })
  return url
}
