/**
 * The candidate that `word` most probably was meant to be, for 'did you mean'; undefined when none is near:
 * at most one letter in three, and one letter in a short word, may be wrong, missing or too many.
 */
export function nearest (word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined
  let least = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance < least) {
      least = distance
      best = candidate
    }
  }
  return best
}

/** Whether two names differ in nothing but case, separators (`strip_prefix`), a plural, or one letter of a word that is not short. */
export function isAlike (word: string, other: string): boolean {
  const [one, two] = [word, other].map(name => name.toLowerCase().replace(/[-_]/g, '').replace(/s$/, '')) as [string, string]
  return one === two || (two.length > 4 && editDistance(one, two) === 1)
}

/** How many letters have to be inserted, removed, replaced or exchanged with the next to make one word the other. */
function editDistance (from: string, to: string): number {
  const rows = [Array.from({ length: to.length + 1 }, (_, index) => index)]
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1]
      const exchanged = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      current.push(Math.min(
        rows[row - 1]![column - 1]! + (same ? 0 : 1),
        rows[row - 1]![column]! + 1,
        current[column - 1]! + 1,
        row > 1 && column > 1 && exchanged ? rows[row - 2]![column - 2]! + 1 : Infinity
      ))
    }
    rows.push(current)
  }
  return rows[from.length]![to.length]!
}
