import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { locateIn } from '../../../src/service/places.js'
import { readConfigFile, type ConfigFile } from '../../../src/service/config-file.js'
import { fits } from '../../../src/service/yaml/includes.js'
import { startBuilt } from '../../helpers/built-service.js'
import { echoBackend } from '../../helpers/backends.js'
import { temporaryFolder } from '../../helpers/temporary-folder.js'

async function read (t: Test, files: Record<string, string>): Promise<ConfigFile & { files: string[] }> {
  const directory = await temporaryFolder(t)
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, name)), { recursive: true })
    await writeFile(join(directory, name), text)
  }
  const read: string[] = []
  const file = await readConfigFile('sluice.yaml', { openEnded: false, directory, variables: { PORT: '81' }, onFile: path => read.push(path.slice(directory.length + 1)) })
  return { ...file, files: read }
}

t.test('routes and upstreams are added up, in the order in which files are included', async t => {
  const { config, places, files } = await read(t, {
    'sluice.yaml': 'include: [apps/*.yaml, extra.yaml]\ndrainTimeout: 5s\nroutes:\n  - { url: /, upstream: http://a }\n',
    'apps/b.yaml': 'upstreams: { b: { targets: [http://b] } }\nroutes:\n  - { url: /b, upstream: b }\n',
    'apps/a.yaml': 'include: deeper/c.yaml\nroutes:\n  - url: /a1\n    upstream: http://a\n  - url: /a2\n    upstream: b\n',
    'apps/deeper/c.yaml': 'routes: [{ url: /c, upstream: http://c }]\n',
    'apps/.hidden.yaml': 'nothing: here\n',
    'apps/readme.md': '# nothing\n',
    'extra.yaml': '# a template that made nothing\n'
  })
  t.strictSame(config.routes?.map(({ url }) => url), ['/', '/a1', '/a2', '/c', '/b'])
  t.strictSame(config.upstreams, { b: { targets: ['http://b'] } })
  t.equal(config.drainTimeout, 5_000)
  const locate = locateIn(places)
  t.equal(locate(['routes', '2', 'upstream']), 'apps/a.yaml:6:15: routes.2.upstream')
  t.equal(locate(['routes', '4']), 'apps/b.yaml:3:5: routes.4')
  t.equal(locate(['upstreams', 'b', 'targets']), 'apps/b.yaml:1:28: upstreams.b.targets')
  t.strictSame(files, ['sluice.yaml', 'apps', 'apps/a.yaml', 'apps/deeper/c.yaml', 'apps/b.yaml', 'extra.yaml'])
})

t.test('what is wrong is said with the file in which it is', async t => {
  const message = async (files: Record<string, string>): Promise<string[]> => {
    try {
      await read(t, files)
    } catch (error) {
      return (error as Error).message.split('\n').map(line => line.replace(/ \([^)]*\.\)$/, ''))
    }
    return []
  }
  t.strictSame(await message({ 'sluice.yaml': 'include: more.yaml\nroutes: [{ url: /, upstream: a }]\n', 'more.yaml': 'upstreams:\n  b: { targets: [http://b] }\nroutes:\n  - url: x\n    upstream: b\n' }), [
    "sluice.yaml:2:30: routes.0.upstream: upstream 'a' is not declared; did you mean 'b'?",
    'more.yaml:4:10: routes.1.url: must begin with /, or be *, got "x"'
  ])
  t.strictSame(await message({ 'sluice.yaml': 'include: more.yaml\nlogLevel: warn\nupstreams:\n  a: { targets: [http://a] }\n', 'more.yaml': 'logLevel: info\nupstreams:\n  a: { targets: [http://b] }\n' }), [
    'more.yaml:1:1: logLevel: it is set at sluice.yaml:2:1 already; remove one of the two',
    'more.yaml:3:3: upstreams.a: it is set at sluice.yaml:4:3 already; remove one of the two'
  ])
  t.strictSame(await message({ 'sluice.yaml': 'include: [none.yaml, nowhere/*.yaml, "*/a.yaml", 1]\n' }), [
    'sluice.yaml:1:11: include: none.yaml: cannot be read: there is no such file',
    'sluice.yaml:1:22: include: there is no folder nowhere',
    "sluice.yaml:1:38: include: only the last part of a path may have a '*'",
    'sluice.yaml:1:50: include: must be the path of a file, or a list of paths'
  ])
  t.strictSame(await message({ 'sluice.yaml': 'include: a.yaml\n', 'a.yaml': 'include: sluice.yaml\n' }), ['a.yaml:1:10: include: sluice.yaml: it includes itself; remove one of the two'])
  t.strictSame(await message({ 'sluice.yaml': 'include: a.yaml\n', 'a.yaml': '- 1\n' }), ["a.yaml:1:1: the file must have a mapping, such as one with 'upstreams' and 'routes'"])
  t.match(await message({ 'sluice.yaml': 'include: a.yaml\n', 'a.yaml': 'routes: [\n' }), [/^a\.yaml:1:9: the '\[' is not closed/])
})

t.test('patterns', async t => {
  for (const [name, pattern, expected] of [
    ['a.yaml', '*.yaml', true], ['a.yml', '*.yaml', false], ['.a.yaml', '*.yaml', false], ['.a.yaml', '.*.yaml', true], ['app-1.yaml', 'app-*.yaml', true],
    ['a.yaml', 'a.yaml*', true], ['a', 'a*a', false], ['aa', 'a*a', true], ['abcabc', 'a*b*c', true], ['acb', 'a*b*c', false], ['x', '*', true]
  ] as const) t.equal(fits(name, pattern), expected, `${name} ${pattern}`)
})

t.test('--watch follows the files that are included, new ones and wrong ones too', async t => {
  const { url } = await echoBackend(t)
  const service = await startBuilt(t, { include: 'apps/*.yaml', upstreams: { app: { targets: [url] } } }, { args: ['--watch'], files: { 'apps/a.yaml': 'routes: [{ url: /a, upstream: app }]\n' } })
  const status = async (path: string): Promise<number> => (await fetch(service.url + path)).status
  t.equal(await status('/a'), 200)
  t.equal(await status('/b'), 404)
  await writeFile(join(service.folder, 'apps/b.yaml'), 'routes: [{ url: /b, upstream: ap }]\n')
  await service.command.output(/apps\/b\.yaml:1:31: routes\.1\.upstream: upstream 'ap' is not declared/)
  await writeFile(join(service.folder, 'apps/b.yaml'), 'routes: [{ url: /b, upstream: app }]\n')
  await service.command.output(/configuration reloaded: 1 route\(s\) added/)
  t.equal(await status('/b'), 200)
})
