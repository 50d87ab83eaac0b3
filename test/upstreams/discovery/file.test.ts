import { rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import t, { type Test } from 'tap'
import { watchFiles } from '../../../src/net/watched-files.js'
import { fileSource } from '../../../src/upstreams/discovery/file.js'
import { follow } from '../../helpers/follow.js'
import { temporaryFolder } from '../../helpers/temporary-folder.js'

const ONE = 'http://10.0.0.1:8080'
const TWO = { url: 'https://10.0.0.2:8443/base', weight: 2, priority: 1, host: 'app.example', labels: { zone: 'a' } }

// What the source waits with keeps no process alive.
const alive = setInterval(() => {}, 2 ** 31 - 1)
t.teardown(() => clearInterval(alive))

const source = (path: string) => fileSource(path, { interval: 20, quiet: 20 })

/** A file of targets that is there with the given value, or is not there. */
async function targetsFile (t: Test, value?: unknown) {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'targets.json')
  const write = (value: unknown) => writeFile(path, JSON.stringify(value))
  if (value !== undefined) await write(value)
  return { folder, path, write }
}

/** The lists of a file, one at a time. */
function iterate (path: string, signal = new AbortController().signal) {
  return source(path)({ signal, report: error => { throw error } })[Symbol.asyncIterator]()
}

t.test('a file that is changed, replaced and emptied', async t => {
  const { folder, path, write } = await targetsFile(t, [ONE])
  const { lists, faults } = follow(t, source(relative(process.cwd(), path)))
  t.same(await lists.next(), [ONE])
  await write([ONE, TWO])
  t.same(await lists.next(), [ONE, TWO])
  const other = join(folder, 'other.json')
  await writeFile(other, JSON.stringify([TWO]))
  await rename(other, path)
  t.same(await lists.next(), [TWO])
  await write([])
  t.same(await lists.next(), [], 'an empty list is a good one')
  await write([TWO, ONE])
  t.same(await lists.next(), [TWO, ONE])
  t.equal(lists.rest + faults.rest, 0)
})

t.test('a link that leads to another file', async t => {
  const { folder, path, write } = await targetsFile(t, [ONE])
  const [link, next] = [join(folder, 'link.json'), join(folder, 'next.json')]
  await symlink(path, link)
  const { lists } = follow(t, source(link))
  t.same(await lists.next(), [ONE])
  await write([TWO])
  t.same(await lists.next(), [TWO])
  await writeFile(join(folder, 'second.json'), JSON.stringify([ONE]))
  await symlink('second.json', next)
  await rename(next, link)
  t.same(await lists.next(), [ONE])
})

t.test('what is not valid is reported, and the list stays', async t => {
  const { path, write } = await targetsFile(t, [ONE])
  const { lists, fault, faults } = follow(t, source(path))
  t.same(await lists.next(), [ONE])
  await writeFile(path, '[ "http://10.0.0.1:8080", ]')
  const message = await fault()
  t.match(message, `the targets in '${path}' could not be determined: it is not valid JSON: `)
  t.match(message, /Unexpected token.*]/, 'and what the parser says')
  const invalid = [
    [{ [ONE]: {} }, /its list: must be an array, got /],
    [[ONE, { url: ONE, weight: 0 }], /its list: option '1\.weight': must be an integer of at least 1, got 0/],
    [[{ url: ONE, wight: 1 }], /its list: option '0\.wight': there is no such option; did you mean 'weight'\?/],
    [['10.0.0.1:8080'], /: '10\.0\.0\.1:8080' is not a valid target: it has no scheme; did you mean 'http:\/\/10\.0\.0\.1:8080'\?/],
    [[{ url: ONE, host: 'a b' }], /: 'http:\/\/10\.0\.0\.1:8080' is not a valid target: its host 'a b' /]
  ] as const
  for (const [value, expected] of invalid) {
    await write(value)
    const message = await fault()
    t.match(message, expected)
    t.match(message, path)
  }
  await writeFile(path, '')
  t.equal(await fault(), `the targets in '${path}' could not be determined: it is not valid JSON: Unexpected end of JSON input`)
  await writeFile(path, ` [ "${ONE}" ]\n`)
  await write([TWO])
  t.same(await lists.next(), [TWO])
  t.equal(lists.rest + faults.rest, 0)
})

t.test('a file that is missing is reported, and read once it is there', async t => {
  const { path, write } = await targetsFile(t)
  const { lists, fault, faults } = follow(t, source(path))
  const missing = `the targets in '${path}' could not be read: ENOENT: no such file or directory, open '${path}'`
  t.equal(await fault(), missing)
  await write([ONE])
  t.same(await lists.next(), [ONE])
  await unlink(path)
  t.equal(await fault(), missing)
  await write([ONE])
  await writeFile(`${path}.other`, '[')
  await rename(`${path}.other`, path)
  t.match(await fault(), /not valid JSON/)
  t.equal(lists.rest, 0, 'the list was the same')
  await write([TWO])
  t.same(await lists.next(), [TWO])
  t.equal(faults.rest, 0)
})

t.test('a list that is the same is not given again', async t => {
  const { path, write } = await targetsFile(t, [TWO])
  const { lists, fault, faults } = follow(t, source(path))
  t.same(await lists.next(), [TWO])
  const change = new Promise<void>(resolve => t.teardown(watchFiles([path], Infinity, resolve)))
  await writeFile(path, JSON.stringify([Object.fromEntries(Object.entries(TWO).reverse())], undefined, 2))
  // The source has heard of it before, and reads the file.
  await change
  await rm(path)
  await fault()
  t.equal(lists.rest + faults.rest, 0)
  await write([ONE])
  t.same(await lists.next(), [ONE])
})

t.test('what changes while nobody asks is found later', async t => {
  const { path, write } = await targetsFile(t, [ONE])
  const lists = iterate(path)
  t.same(await lists.next(), { done: false, value: [ONE] })
  await write([TWO])
  t.same(await lists.next(), { done: false, value: [TWO] })
  t.match(await lists.return?.(), { done: true })
  t.match(await lists.next(), { done: true })
})

t.test('it ends while it waits, and while it reads', async t => {
  const { path } = await targetsFile(t, [ONE])
  for (const isWaiting of [true, false]) {
    const ending = new AbortController()
    const [aborted, returned] = [iterate(path, ending.signal), iterate(path)]
    if (isWaiting) for (const lists of [aborted, returned]) t.same(await lists.next(), { done: false, value: [ONE] })
    const pending = [aborted.next(), returned.next()]
    ending.abort()
    t.match(await returned.return?.(), { done: true })
    for (const next of pending) t.match(await next, { done: true })
    t.match(await iterate(path, ending.signal).next(), { done: true }, 'it does not begin after its end')
  }
  t.match(await iterate(path).return?.(), { done: true })
  const { lists, end } = follow(t, source(path))
  await lists.next()
  await end()
})
