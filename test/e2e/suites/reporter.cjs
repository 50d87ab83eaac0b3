const { appendFileSync } = require('node:fs')

/** A reporter for mocha that appends one line of JSON for each test to the file named in RESULTS. */
module.exports = class {
  constructor (runner) {
    const record = (test, error) => appendFileSync(process.env.RESULTS, `${JSON.stringify({ title: test.fullTitle(), ...(error !== undefined && { error: error.message }) })}\n`)
    runner.on('pass', test => record(test))
    // A hook fails as itself: its title names the test it was for, so that it is told apart from that test's own result.
    runner.on('fail', record)
  }
}
