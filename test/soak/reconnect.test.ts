import t from 'tap'
import { survive, tell } from './survivors.js'

/* A target that is killed and started again under busy sessions, on a route with `reconnect`. The figures in docs/reconnect.md are from here. */

const SESSIONS = Number(process.env.SESSIONS ?? 500)
const KILLS = Number(process.env.KILLS ?? 4)

// It takes some 20 s; a busy machine needs more.
t.setTimeout(180_000)

t.test(`no client notices that its target is killed, ${KILLS} times under ${SESSIONS} busy sessions`, async t => {
  const survival = { sessions: SESSIONS, kills: KILLS }
  const losses = await survive(t, survival)
  t.comment(tell(losses, survival))
  t.ok(losses.unprocessed + losses.unanswered < losses.sent / 20, 'few are lost')
})
