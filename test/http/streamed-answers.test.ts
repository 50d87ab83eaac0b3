import { directAnswers } from '../../src/http/direct-answer.js'

// What holds for answers that go past Fastify must hold for those that cannot: the same tests again.
directAnswers.enabled = false
await import('./proxy.test.js')
