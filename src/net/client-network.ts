import { isIPv6 } from 'node:net'

/**
 * What stands for the client at an address: an IPv4 address, or the first 64 bits of an IPv6 address. A client has all
 * addresses that begin with these (RFC 4291 §2.5.1), and may take another one for each connection.
 */
export function clientNetwork (address: string): string {
  if (!isIPv6(address)) return address
  const groups = groupsOf(address)
  // An IPv4 address as IPv6 has it (RFC 4291 §2.5.5.2).
  if (groups.slice(0, 6).join() === '0,0,0,0,0,65535') return groups.slice(6).flatMap(group => [group >> 8, group & 0xff]).join('.')
  return `${groups.slice(0, 4).map(group => group.toString(16)).join(':')}::/64`
}

/** The eight numbers of an IPv6 address, without its zone. */
function groupsOf (address: string): number[] {
  const [before, behind] = address.split('%', 1)[0]!.split('::').map(numbersOf) as [number[], number[]?]
  if (behind === undefined) return before
  return [...before, ...new Array<number>(8 - before.length - behind.length).fill(0), ...behind]
}

function numbersOf (part: string): number[] {
  if (part === '') return []
  return part.split(':').flatMap(group => {
    if (!group.includes('.')) return [parseInt(group, 16)]
    const [a, b, c, d] = group.split('.').map(Number) as [number, number, number, number]
    return [a << 8 | b, c << 8 | d]
  })
}
