const { appendFileSync } = require('node:fs')

/** A reporter for mocha that appends one line of JSON for each test to the file named in RESULTS. */
module.exports = class {
  constructor (runner) {
    const record = (title, error) => appendFileSync(process.env.RESULTS, `${JSON.stringify({ title, ...(error !== undefined && { error: error.message }) })}\n`)
    runner.on('pass', test => record(test.fullTitle()))
    // A hook that runs for each test fails that test, which may have passed before; any other fails by itself.
    runner.on('fail', (test, error) => record(((/^"(?:before|after) each" hook/.test(test.title) && test.ctx?.currentTest) || test).fullTitle(), error))
  }
}
