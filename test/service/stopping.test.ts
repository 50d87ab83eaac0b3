import t from 'tap'
import { startStopping } from '../helpers/stopping.js'
import { stuckClients } from '../helpers/stuck-clients.js'

/*
 * Issue 8, item 33: SIGTERM ends the built service within drainTimeout, and with 0, whatever a client does.
 */

// Most of the time goes into starting.
t.jobs = 3

for (const [name, begin] of Object.entries(stuckClients)) {
  t.test(name, { buffered: true }, async t => {
    const { checkStop, ...service } = await startStopping(t)
    await begin(service)
    await checkStop()
  })
}
