import { HIDDEN, type HeaderPairs } from './protocol.js'

/** Headers for a page, without secrets. */
export function shownHeaders (raw: readonly string[]): HeaderPairs {
  const pairs: HeaderPairs = []
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index]!
    pairs.push([name, HIDDEN.includes(name.toLowerCase()) ? '(hidden)' : raw[index + 1]!])
  }
  return pairs
}
