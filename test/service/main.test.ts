import { readFileSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { main } from '../../src/service/main.js'

/** Runs the service up to its end, for arguments with which it never gets to listen. */
async function run (t: Test, argv: string[], environment: NodeJS.ProcessEnv = {}, files: Record<string, string> = {}) {
  const stdout = new PassThrough({ encoding: 'utf8' })
  const stderr = new PassThrough({ encoding: 'utf8' })
  const exitCode = await main({ argv, environment, directory: t.testdir(files), stdout, stderr })
  return { exitCode, stdout: stdout.read() as string | null, stderr: stderr.read() as string | null }
}

t.test('--help tells every option and variable', async t => {
  const { exitCode, stdout, stderr } = await run(t, ['--help'])
  t.equal(exitCode, 0)
  t.equal(stderr, null)
  for (const word of ['URL', '--config', '--host', '--port', '--log-level', '--plugins', '--routes', '--help', '--version',
    'HOST', 'PORT', 'UPSTREAM_URL', 'CONFIG_FILE', 'LOG_LEVEL', '.env', 'Exit codes']) t.match(stdout, word)
  for (const line of stdout!.split('\n')) t.ok(line.length <= 80, 'fits a terminal')
})

t.test('--version tells the version of the package', async t => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  t.strictSame(await run(t, ['--version']), { exitCode: 0, stdout: `${version}\n`, stderr: null })
})

t.test('wrong usage is exit code 2', async t => {
  t.strictSame(await run(t, ['--prot', '80']),
    { exitCode: 2, stdout: null, stderr: "sluice: There is no option '--prot'. Did you mean '--port'?\nsluice: Try 'sluice --help'.\n" })
  const { exitCode, stderr } = await run(t, ['localhost:5173'])
  t.equal(exitCode, 2)
  t.match(stderr, /^sluice: 'localhost:5173' is not a valid target: .*did you mean 'http:\/\/localhost:5173'/)
})

t.test('a wrong environment is exit code 1', async t => {
  t.strictSame(await run(t, [], { PORT: 'http' }),
    { exitCode: 1, stdout: null, stderr: "sluice: Environment variable PORT must be an integer from 0 to 65535, got 'http'.\n" })
  t.strictSame(await run(t, [], {}, { '.env': 'LOG_LEVEL=loud\n' }),
    { exitCode: 1, stdout: null, stderr: "sluice: Environment variable LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent, got 'loud'.\n" })
})

t.test('a wrong configuration file is exit code 1, with a line for each problem', async t => {
  const file = 'listen:\n  port: high\nroutes:\n  - url: /\n    upstream: app\n'
  const expected = {
    exitCode: 1,
    stdout: null,
    stderr: 'sluice: sluice.yaml:2:9: listen.port: must be an integer, got "high" (Port to listen on; 0 takes a free one.)\n' +
      "sluice: sluice.yaml:5:15: routes.0.upstream: upstream 'app' is not declared; declare it under 'upstreams'\n"
  }
  t.strictSame(await run(t, ['--config', 'sluice.yaml'], {}, { 'sluice.yaml': file }), expected)
  t.strictSame(await run(t, [], { CONFIG_FILE: 'sluice.yaml' }, { 'sluice.yaml': file }), expected)
  t.strictSame(await run(t, ['-c', 'none.yaml']), { exitCode: 1, stdout: null, stderr: 'sluice: none.yaml: cannot be read: there is no such file\n' })
})

t.test('what turns up only while loading has its place, too', async t => {
  const { exitCode, stderr } = await run(t, ['-c', 'sluice.yaml', '--log-level', 'silent'], {}, { 'sluice.yaml': 'routes:\n  - url: /*\n    method: FETCH\n    upstream: http://a\n' })
  t.equal(exitCode, 1)
  t.match(stderr, /^sluice: sluice\.yaml:2:5: routes\.0: FETCH method is not supported\.?\n$/)
})

t.test('a folder that does not exist is exit code 1', async t => {
  const { exitCode, stderr } = await run(t, ['--plugins', 'none', '--log-level', 'silent'])
  t.equal(exitCode, 1)
  t.match(stderr, /^sluice: Folder of plugins '.*none': there is no such folder\.\n$/)
})
