import { once } from 'node:events'
import { openSync, writeSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { serve } from '../program.js'

/**
 * A target that echoes messages, each of which begins with the numbers of its session and of itself, and writes down which
 * ones it has got: to a file, since it is killed.
 */

const server = createServer()
const sockets = new WebSocketServer({ server, perMessageDeflate: true })

const responses = {
  async listen ({ port, record }: { port: number, record: string }): Promise<number> {
    const file = openSync(record, 'a')
    sockets.on('connection', socket => {
      socket.on('error', () => {}).on('message', (data: Buffer, isBinary) => {
        writeSync(file, data, 0, 8)
        socket.send(data, { binary: isBinary })
      })
    })
    await once(server.listen(port, '127.0.0.1'), 'listening')
    return (server.address() as AddressInfo).port
  }
}

export type RecordingTargetResponses = typeof responses
serve(responses)
