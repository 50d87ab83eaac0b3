import type { HeaderPairs } from '../protocol.js'

/** What has become of a header on its way through the gateway. */
export type Fate = 'removed' | 'changed' | 'added' | 'anew' | 'kept'

export interface ComparedHeader {
  name: string
  fate: Fate
  /** As the browser sent it; undefined if it did not. */
  sent: string | undefined
  /** As the target got it; undefined if it did not. */
  got: string | undefined
}

/** Headers of one hop (RFC 9110 §7.6.1): the gateway takes the client's off, and has its own. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'])
const ORDER: readonly Fate[] = ['removed', 'changed', 'added', 'anew', 'kept']

/** Compares headers before the gateway with those behind it; those that have changed most come first. */
export function compareHeaders (sent: HeaderPairs, got: HeaderPairs): ComparedHeader[] {
  const left = [...got]
  const take = (isMeant: (pair: HeaderPairs[number]) => boolean): string | undefined => {
    const index = left.findIndex(isMeant)
    return index === -1 ? undefined : left.splice(index, 1)[0]![1]
  }
  // Of several with one name, those that are the same belong together.
  const same = sent.map(([name, value]) => take(([other, otherValue]) => isSame(other, name) && otherValue === value))
  const compared: ComparedHeader[] = sent.map(([name, value], index) => {
    const found = same[index] ?? take(([other]) => isSame(other, name))
    return { name, fate: fateOf(name, value, found), sent: value, got: found }
  })
  for (const [name, value] of left) compared.push({ name, fate: fateOf(name, undefined, value), sent: undefined, got: value })
  return compared.sort((one, other) => ORDER.indexOf(one.fate) - ORDER.indexOf(other.fate))
}

function fateOf (name: string, sent: string | undefined, got: string | undefined): Fate {
  if (got === undefined) return 'removed'
  if (HOP_BY_HOP.has(name.toLowerCase())) return 'anew'
  if (sent === undefined) return 'added'
  return sent === got ? 'kept' : 'changed'
}

function isSame (one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase()
}
