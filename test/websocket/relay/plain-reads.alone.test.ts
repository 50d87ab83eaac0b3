import { sharedReads } from '../../../src/net/shared-reads.js'

// What holds for sockets that read into the shared buffer must hold where they cannot: the same tests again,
// with every socket read by its 'data' events.
sharedReads.enabled = false
await import('./direction.test.js')
await import('../violations.test.js')
