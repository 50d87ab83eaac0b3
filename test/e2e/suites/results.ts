/** Of each test, by title; the error's message where it failed. */
export type Results = Map<string, string | undefined>

/** Results from lines of JSON: a title, and an error where it failed. */
export function parse (lines: string): Results {
  const results: Results = new Map()
  for (const line of lines.split('\n').filter(line => line !== '')) {
    const { title, error } = JSON.parse(line) as { title: string, error?: string }
    let name = title
    for (let count = 2; results.has(name); count++) name = `${title} (${count})`
    results.set(name, error)
  }
  return results
}

export function counts (results: Results): string {
  const failed = [...results.values()].filter(error => error !== undefined).length
  return `${results.size - failed} of ${results.size} pass`
}

export function outcome (results: Results, title: string): string {
  if (!results.has(title)) return 'not run'
  const error = results.get(title)
  return error === undefined ? 'passed' : `failed: ${error.replaceAll('\n', ' ').slice(0, 300)}`
}
