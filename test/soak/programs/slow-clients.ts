import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { handshake } from '../../helpers/raw-client.js'
import { serve, times } from '../program.js'

/** Clients that send slowly, each in one of these ways: what it sends at once, and what byte by byte, for ever. */
const WAYS: Record<string, { first: string, then?: string }> = {
  nothing: { first: '' },
  'half a head': { first: 'GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ' },
  'a head by bytes': { first: 'GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ', then: 'x' },
  'a handshake by bytes': { first: handshake().slice(0, -4), then: 'x' },
  'a body by bytes': { first: 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n', then: 'x' }
}

const slow: Array<{ way: string, socket: Socket }> = []
const outcomes: Record<string, number> = {}
let open = 0
let emptied = (): void => {}
const empty = new Promise<void>(resolve => { emptied = resolve })

/** A byte a second from each, in ten parts. */
let part = 0
const timer = setInterval(() => {
  part = (part + 1) % 10
  for (let index = part; index < slow.length; index += 10) {
    const { way, socket } = slow[index]!
    const { then } = WAYS[way]!
    if (then !== undefined && socket.writable) socket.write(then)
  }
}, 100)

async function begin (port: number, way: string): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1' })
  let answer = ''
  socket.on('error', error => { answer ||= error.message }).on('data', data => { answer += data.toString('latin1') })
  await once(socket, 'connect')
  open++
  socket.once('close', () => {
    const outcome = `${way}: ${answer.split('\r\n')[0]}`
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    if (--open === 0) emptied()
  })
  socket.write(WAYS[way]!.first)
  slow.push({ way, socket })
}

const answers = {
  /** Connects so many, as many of each way. */
  async start ({ port, count }: { port: number, count: number }): Promise<void> {
    const ways = Object.keys(WAYS)
    await times(count, 100, index => begin(port, ways[index % ways.length]!))
  },

  /** How many are connected. */
  open: () => open,

  /** What the clients were told, when the last of them is gone. */
  async outcomes (): Promise<Record<string, number>> {
    await empty
    clearInterval(timer)
    return outcomes
  }
}

export type SlowClientsResponses = typeof answers
serve(answers)
