import t from 'tap'
import { age } from '../../../src/admin/page/format.js'
import { workersText, workersTitle } from '../../../src/admin/page/workers.js'
import type { WorkerRow } from '../../../src/admin/page/protocol.js'

const worker = (id: number, state: WorkerRow['state'], sessions = 0): WorkerRow => ({ id, pid: 100 + id, state, startedAt: 0, sessions })

t.test('the workers in words', async t => {
  t.equal(workersText(null), '')
  t.equal(workersText([worker(1, 'serving')]), '1 worker')
  t.equal(workersText([worker(1, 'serving'), worker(2, 'serving'), worker(2, 'leaving', 3), worker(3, 'starting')]), '2 workers, 1 starting, 1 leaving')
  t.equal(workersTitle([worker(1, 'leaving', 3)], 60_000), `worker 1: process 101, leaving, up ${age(60_000)}, 3 sessions`)
  t.equal(workersTitle(null, 0), '')
})
