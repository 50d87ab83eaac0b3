import { directResponses } from '../../src/http/direct-response.js'

// What holds for responses that go past Fastify must hold for those that cannot: the same tests again.
directResponses.enabled = false
await import('./proxy.test.js')
