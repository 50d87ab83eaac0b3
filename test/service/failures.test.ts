import t from 'tap'
import { ConfigInvalidError, UsageError } from '../../src/errors.js'
import { explainFailure } from '../../src/service/failures.js'

const listenError = (code: string, more = {}) => Object.assign(new Error(`listen ${code}`), { code, syscall: 'listen', address: '127.0.0.1', port: 80, ...more })

t.test('what the user can mend is told without a stack', async t => {
  t.strictSame(explainFailure(new UsageError("There is no option '-x'.")), { text: "There is no option '-x'.\nTry 'sluice --help'.", exitCode: 2 })
  t.strictSame(explainFailure(new ConfigInvalidError('sluice.yaml:1:1: 100%s')), { text: 'sluice.yaml:1:1: 100%s', exitCode: 1 })
  t.strictSame(explainFailure(Object.assign(new Error('a'), { code: 'FST_ERR_DUPLICATED_ROUTE' })), { text: 'a', exitCode: 1 })
  t.strictSame(explainFailure(Object.assign(new Error("routes/a.js:1:1: Method '[\n  'GET', 'HEAD',\n  'PUT'\n]' already declared for route '/a'"), { code: 'FST_ERR_DUPLICATED_ROUTE' })), {
    text: "routes/a.js:1:1: Route '/a': there is a route with this URL and these constraints for the same method already. Give them different methods or constraints, or remove one.",
    exitCode: 1
  })
  t.match(explainFailure(listenError('EADDRINUSE')).text, /^Cannot listen: port 80 of 127\.0\.0\.1 is taken\. .*$/)
  t.match(explainFailure(listenError('EADDRNOTAVAIL')).text, /^Cannot listen: 127\.0\.0\.1 is not an address of this machine\. .*$/)
  t.match(explainFailure(listenError('EACCES')).text, /^Cannot listen: permission denied for port 80 of 127\.0\.0\.1\. .*$/)
  t.match(explainFailure(listenError('EOTHER')).text, /^Cannot listen: listen EOTHER$/)
  t.match(explainFailure(Object.assign(new Error('x'), { syscall: 'getaddrinfo', hostname: 'nowhere' })).text, /^Cannot listen on 'nowhere': there is no such host\. .*$/)
})

t.test('a defect comes with its stack', async t => {
  t.match(explainFailure(new TypeError('x is not a function')), { text: /^TypeError: x is not a function\n {4}at /, exitCode: 1 })
  t.strictSame(explainFailure('thrown'), { text: 'thrown', exitCode: 1 })
})
