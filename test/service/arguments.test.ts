import t from 'tap'
import { parseArguments } from '../../src/service/arguments.js'

t.test('reads every argument', async t => {
  t.strictSame(parseArguments([]), {})
  t.strictSame(parseArguments(['http://127.0.0.1:5173', '--port', '0', '--host', '::', '--log-level=debug', '--plugins', 'a', '--routes', './b']), {
    url: 'http://127.0.0.1:5173', port: 0, host: '::', logLevel: 'debug', plugins: 'a', routes: './b'
  })
  t.strictSame(parseArguments(['-c', 'sluice.yaml', '-p', '8080']), { config: 'sluice.yaml', port: 8080 })
  t.strictSame(parseArguments(['-h']), { help: true })
  t.strictSame(parseArguments(['--version']), { version: true })
  t.strictSame(parseArguments(['--port=80', '--', 'http://a']), { port: 80, url: 'http://a' })
})

const WRONG: Array<[string[], string]> = [
  [['--prot', '80'], "There is no option '--prot'. Did you mean '--port'?"],
  [['--loglevel', 'info'], "There is no option '--loglevel'. Did you mean '--log-level'?"],
  [['--frobnicate'], "There is no option '--frobnicate'."],
  [['-x'], "There is no option '-x'."],
  [['--constructor'], "There is no option '--constructor'."],
  [['--port'], "Option '--port' needs a value."],
  [['--port', '--host', '::'], "Option '--port' needs a value."],
  [['--host='], "Option '--host' needs a value."],
  [['--port', '80', '-p', '81'], "Option '-p' is given twice."],
  [['--help=yes'], "Option '--help' takes no value."],
  [['--port', 'http'], "Option '--port' must be an integer from 0 to 65535, got 'http'."],
  [['--port', '65536'], "Option '--port' must be an integer from 0 to 65535, got '65536'."],
  [['--port=-1'], "Option '--port' must be an integer from 0 to 65535, got '-1'."],
  [['--port', '1e3'], "Option '--port' must be an integer from 0 to 65535, got '1e3'."],
  [['--log-level', 'loud'], "Option '--log-level' must be one of fatal, error, warn, info, debug, trace, silent, got 'loud'."],
  [['http://a', 'http://b'], "Unexpected argument 'http://b': there is one URL at most, and 'http://a' is it. Several targets need a configuration file (--config)."],
  [['http://a', '--config', 'x.yaml'], "Both a URL ('http://a') and --config are given. Leave one of them out."]
]
for (const [argv, message] of WRONG) {
  t.test(`explains ${argv.join(' ')}`, async t => {
    t.throws(() => parseArguments(argv), { code: 'SLUICE_USAGE', message })
  })
}
