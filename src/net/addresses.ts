import { lookup } from 'node:dns'
import { isIPv6 } from 'node:net'

type AddressesListener = (error: Error | null, addresses: string[]) => void

/** How names are resolved, and how often that of a target with connections is again, in milliseconds. Tests have their own. */
export const resolver = { lookup, interval: 10_000 }

/**
 * The addresses of a name, as the system orders them, but of one family and the other in turn (RFC 8305 §4): where
 * one does not get anywhere, its addresses do not stand before all of the other's.
 */
export function addressesOf (hostname: string, listener: AddressesListener): void {
  resolver.lookup(hostname, { all: true }, (error, found) => {
    if (error !== null) return listener(error, [])
    const first = found.filter(({ family }) => family === found[0]?.family)
    const second = found.filter(({ family }) => family !== found[0]?.family)
    const addresses: string[] = []
    for (let index = 0; index < Math.max(first.length, second.length); index++) {
      for (const item of [first[index], second[index]]) if (item !== undefined) addresses.push(item.address)
    }
    listener(null, addresses)
  })
}

/**
 * Addresses in another order: each family is turned by itself, so that connections are spread over all of them, and yet
 * the family comes first that the system prefers.
 */
export function turned (addresses: readonly string[], turn: number): string[] {
  const families = [addresses.filter(address => !isIPv6(address)), addresses.filter(address => isIPv6(address))] as const
  const given = [0, 0]
  return addresses.map(address => {
    const family = isIPv6(address) ? 1 : 0
    return families[family][(given[family]!++ + turn) % families[family].length]!
  })
}
