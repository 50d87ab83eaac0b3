const { appendFileSync } = require('node:fs')

/** A reporter for mocha that appends one line of JSON for each test to the file named in RESULTS. */
module.exports = class {
  constructor (runner) {
    const record = (test, error) => appendFileSync(process.env.RESULTS, `${JSON.stringify({ title: test.fullTitle(), ...(error !== undefined && { error: error.message }) })}\n`)
    runner.on('pass', test => record(test))
    runner.on('fail', (test, error) => { if (test.type !== 'hook') record(test, error) })
  }
}
