import t from 'tap'
import { startStopping } from '../helpers/stopping.js'
import { stuckClients } from '../helpers/stuck-clients.js'

/*
 * Issue 8, item 33: SIGTERM ends the built service within drainTimeout, and with 0, whatever a client does.
 */

// The other half is in a file of its own: each has a process to start.
for (const [name, begin] of Object.entries(stuckClients).filter((_, index) => index % 2 === 1)) {
  t.test(name, async t => {
    const { checkStop, ...service } = await startStopping(t)
    await begin(service)
    await checkStop()
  })
}
