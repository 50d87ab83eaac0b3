/** Marks what belongs to a connection, so that it is known wherever it arrives: t-<connection>-<request>-<check>-t. */
export function token (seed: number, connection: number, request: number): string {
  return `t-${connection}-${request}-${check(seed, connection, request)}-t`
}

/** The first token in a text. */
export function tokenIn (text: string): string {
  return /t-\d+-\d+-[0-9a-z]{6}-t/.exec(text)?.[0] ?? ''
}

/** The tokens in some bytes that belong to another connection. One that a mutation made has no right check. */
export function strangers (seed: number, connection: number, bytes: Buffer): string[] {
  const found: string[] = []
  for (const [text, owner, request, sum] of bytes.toString('latin1').matchAll(/t-(\d+)-(\d+)-([0-9a-z]{6})-t/g)) {
    if (Number(owner) !== connection && check(seed, Number(owner), Number(request)) === sum) found.push(text)
  }
  return found
}

function check (seed: number, connection: number, request: number): string {
  let hash = 0x811c9dc5
  for (const number of [seed, connection, request]) {
    hash = Math.imul(hash ^ number, 0x01000193)
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
    hash ^= hash >>> 13
  }
  return (hash >>> 0).toString(36).padStart(6, '0').slice(-6)
}
