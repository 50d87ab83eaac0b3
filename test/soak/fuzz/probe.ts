import { random } from '../../helpers/random.js'
import { dialled, type Address } from '../addresses.js'
import { checkedExchange, checkedSession, checkedStreams } from './checked.js'
import { token } from './tokens.js'

/** The numbers of probes begin behind those of the clients. */
const PROBES = 1e9

/** Asks every listener for what it must serve: requests, a session, and streams. Gives what was wrong. */
export async function probe (seed: number, number: number, addresses: Record<string, Address>): Promise<string[]> {
  const faults: string[] = []
  let tokens = 0
  await Promise.all(Object.entries(addresses).flatMap(([name, address]) => {
    const ways = [
      ...name === 'h2c' ? [] : [[checkedExchange, 'http/1.1'], [checkedSession, 'http/1.1']] as const,
      ...name === 'h2c' || name === 'http2' ? [[checkedStreams, 'h2']] as const : []
    ]
    return ways.map(async ([check, protocol]) => {
      try {
        const socket = await dialled(address, [protocol])
        const fault = await check(random(seed + number), socket, () => token(seed, PROBES + number, tokens++))
        socket.destroy()
        if (fault !== undefined) faults.push(`${name}, ${check.name}: ${fault}`)
      } catch (error) {
        faults.push(`${name}, ${check.name}: ${String(error)}`)
      }
    })
  }))
  return faults
}
