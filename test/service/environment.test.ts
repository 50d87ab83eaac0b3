import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Environment, environmentOf, readVariables } from '../../src/service/environment.js'

const readEnvironment = async (environment: NodeJS.ProcessEnv, directory: string): Promise<Environment> => environmentOf(await readVariables(environment, directory))

t.test('reads the variables of the environment, and no others', async t => {
  t.strictSame({ ...await readEnvironment({ HOST: '::1', PORT: '0', UPSTREAM_URL: 'http://a', CONFIG_FILE: 'x', LOG_LEVEL: 'warn', HOME: '/' }, t.testdir()) },
    { HOST: '::1', PORT: 0, UPSTREAM_URL: 'http://a', CONFIG_FILE: 'x', LOG_LEVEL: 'warn' })
  t.strictSame({ ...await readEnvironment({}, t.testdir()) }, {}, 'no defaults: the configuration file comes after it')
})

t.test('reads .env, over which the environment wins', async t => {
  const directory = t.testdir({ '.env': '# comment\nPORT=81\nexport HOST="::1"\nLOG_LEVEL=\nOTHER=1\n' })
  t.strictSame({ ...await readEnvironment({}, directory) }, { PORT: 81, HOST: '::1' })
  t.strictSame({ ...await readEnvironment({ PORT: '82' }, directory) }, { PORT: 82, HOST: '::1' })
  t.strictSame({ ...await readEnvironment({ PORT: '' }, directory) }, { HOST: '::1' }, 'an empty variable unsets')
  t.strictSame({ ...await readEnvironment({ UPSTREAM_URL: '', CONFIG_FILE: '' }, directory) }, { PORT: 81, HOST: '::1', UPSTREAM_URL: '', CONFIG_FILE: '' },
    'but not one that was to say what is served')
})

t.test('names the variable that is wrong, and what it must be', async t => {
  const read = (environment: NodeJS.ProcessEnv) => readEnvironment(environment, t.testdir())
  for (const PORT of ['http', '65536', '-1', '80.5', 'NaN']) {
    await t.rejects(read({ PORT }), {
      code: 'SLUICE_CONFIG_INVALID',
      message: `Environment variable PORT must be an integer from 0 to 65535, got '${PORT}'.`
    })
  }
  await t.rejects(read({ LOG_LEVEL: 'loud', PORT: 'x' }), {
    message: "Environment variable PORT must be an integer from 0 to 65535, got 'x'.\n" +
      "Environment variable LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent, got 'loud'."
  })
})

t.test('says when .env cannot be read', async t => {
  const directory = t.testdir({})
  mkdirSync(join(directory, '.env'))
  await t.rejects(readEnvironment({}, directory), { code: 'SLUICE_CONFIG_INVALID', message: /\.env: cannot be read: / })
})

t.test('.env.example is the reference: it has every variable, and its values hold', async t => {
  const example = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8')
  const names = [...example.matchAll(/^# ([A-Z_]+)=/gm)].map(([, name]) => name!)
  t.strictSame(names.sort(), Object.keys(Environment.properties).sort())
  const directory = t.testdir({})
  writeFileSync(join(directory, '.env'), example)
  t.strictSame({ ...await readEnvironment({}, directory) }, {}, 'copied as it is, it changes nothing')
  writeFileSync(join(directory, '.env'), example.replace(/^# (?=[A-Z_]+=)/gm, ''))
  t.strictSame({ ...await readEnvironment({}, directory) },
    { HOST: '127.0.0.1', PORT: 8080, UPSTREAM_URL: 'http://127.0.0.1:5173', CONFIG_FILE: 'sluice.yaml', LOG_LEVEL: 'info', ADMIN: 'true', WORKERS: 'auto' })
})
