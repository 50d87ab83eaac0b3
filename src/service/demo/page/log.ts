import { byId, element } from '../../../admin/page/dom.js'
import type { Ended, LogLine } from '../protocol.js'

/** Lines that are kept. */
const MOST = 50

const list = byId('log', HTMLOListElement)

/** The last lines of the gateway's log about the demo. */
export class Log {
  readonly #lines = new Map<string, LogLine>()

  /** The line of an exchange, if it is one of the last. */
  get (id: string): LogLine | undefined {
    return this.#lines.get(id)
  }

  add ({ id, line }: Ended): void {
    // After a reconnection, the last ones come once more.
    if (this.#lines.has(id)) return
    this.#lines.set(id, line)
    const isAtEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 8
    list.append(element('li', line.level, element('details', '', element('summary', '', line.text), element('code', '', line.json))))
    if (this.#lines.size > MOST) {
      const [oldest] = this.#lines.keys()
      this.#lines.delete(oldest!)
      list.firstElementChild!.remove()
    }
    // Who has scrolled back is reading.
    if (isAtEnd) list.scrollTop = list.scrollHeight
  }
}
