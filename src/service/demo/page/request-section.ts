import { byId, setText } from '../../../admin/page/dom.js'
import { milliseconds } from '../../../admin/page/format.js'
import { notify } from '../../../admin/page/notices.js'
import { REQUEST_PATH, type SeenByTarget, type Started } from '../protocol.js'
import type { Exchanges } from './exchanges.js'
import { HeaderList } from './header-list.js'
import { Path } from './path.js'

/** As whoever wants to seem to come from elsewhere would send them. */
const FORGED = { 'X-Forwarded-For': '203.0.113.7', 'X-Real-IP': '203.0.113.7' }

/** Sends requests, and shows what came of the last one. */
export class RequestSection {
  readonly #path = new Path(byId('request-path', HTMLElement))
  readonly #headers = new HeaderList(byId('request-headers', HTMLElement))
  readonly #exchanges: Exchanges

  constructor (exchanges: Exchanges) {
    this.#exchanges = exchanges
    this.#path.setAddress('gateway', location.host)
    byId('request-send', HTMLButtonElement).addEventListener('click', () => {
      this.send().catch(() => notify('The gateway cannot be reached'))
    })
  }

  async send (): Promise<void> {
    const since = performance.now()
    this.#path.pulse('there')
    const response = await fetch(REQUEST_PATH, { method: 'POST', headers: { ...FORGED, 'Content-Type': 'text/plain' }, body: 'Hello' })
    const text = await response.text()
    const took = milliseconds(performance.now() - since)
    this.#path.pulse('back')
    const head = [`HTTP/1.1 ${response.status} ${response.statusText}`, ...[...response.headers].map(([name, value]) => `${name}: ${value}`)]
    setText(byId('request-response', HTMLElement), `${head.join('\n')}\n\n${text}`)
    if (!response.ok) return this.#path.setHop(0, 'closed', `POST ${REQUEST_PATH}`, `${response.status}, ${took}`)
    const seen = JSON.parse(text) as SeenByTarget
    this.#path.setAddress('target', seen.target)
    const id = requestIdOf(seen)
    this.#path.setHop(0, 'closed', `POST ${REQUEST_PATH}`, `${response.status}, ${took}`)
    this.#path.setHop(1, 'closed', `${seen.method} ${seen.url}`, String(response.status))
    this.#exchanges.onStart(id, started => this.#showStart(started, seen))
    this.#exchanges.onEnd(id, ({ line }) => setText(byId('request-line', HTMLElement), line.text))
  }

  #showStart ({ client, headers }: Started, seen: SeenByTarget): void {
    this.#path.setAddress('client', client)
    this.#headers.show(headers, seen.headers)
  }
}

export function requestIdOf ({ headers }: SeenByTarget): string {
  return headers.find(([name]) => name.toLowerCase() === 'x-request-id')?.[1] ?? ''
}
