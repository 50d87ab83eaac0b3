import { createSocket, type RemoteInfo } from 'node:dgram'
import { once } from 'node:events'
import type { Test } from 'tap'
import { Arrivals } from './follow.js'

/** Says what a DNS server responds with: the addresses of A records and their TTL, or an RCODE; nothing for none. */
export type Respond = (number: number) => { addresses?: string[], ttl?: number, code?: number } | undefined
export const NXDOMAIN = { code: 3 }
export const SERVFAIL = { code: 2 }
export const records = (...addresses: string[]) => ({ addresses })

/** A DNS server that responds to its first query, its second query and so on as it is told. */
export async function scripted (t: Test, respond: Respond) {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  const queries = new Arrivals<number>()
  let number = 0
  socket.on('message', (query: Buffer, from: RemoteInfo) => {
    const response = respond(++number)
    if (response !== undefined) socket.send(message(query, response), from.port, from.address)
    queries.push(number)
  })
  return { servers: [`127.0.0.1:${socket.address().port}`], queries }
}

/** RFC 1035 §4.1: the question again, and the records. */
function message (query: Buffer, { addresses = [], ttl = 0, code = 0 }: NonNullable<ReturnType<Respond>>): Buffer {
  const header = Buffer.from([query[0]!, query[1]!, 0x81, 0x80 | code, 0, 1, 0, addresses.length, 0, 0, 0, 0])
  const question = query.subarray(12, query.indexOf(0, 12) + 5)
  const answers = addresses.map(address => {
    const life = Buffer.alloc(4)
    life.writeUInt32BE(ttl)
    return Buffer.concat([Buffer.from([0xc0, 12, 0, 1, 0, 1]), life, Buffer.from([0, 4, ...address.split('.').map(Number)])])
  })
  return Buffer.concat([header, question, ...answers])
}
