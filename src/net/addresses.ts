import { lookup } from 'node:dns'

type AddressesListener = (error: Error | null, addresses: string[]) => void

/** For tests, which have names of their own. */
export const resolver = { lookup }

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
