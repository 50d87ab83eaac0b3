/** A reporter of node:test that writes a line of JSON for each test of a file. */
export default async function * (events) {
  for await (const { type, data } of events) {
    if ((type !== 'test:pass' && type !== 'test:fail') || data.nesting > 0 || data.skip !== undefined) continue
    const { error } = data.details
    yield `${JSON.stringify({ title: data.name, ...type === 'test:fail' && { error: String(error?.cause?.message ?? error?.message ?? error) } })}\n`
  }
}
