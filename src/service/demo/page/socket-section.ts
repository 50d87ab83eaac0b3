import { byId, element, hiddenText, setAttribute, setText } from '../../../admin/page/dom.js'
import { count, milliseconds, NOTHING } from '../../../admin/page/format.js'
import { announce } from '../../../admin/page/notices.js'
import { SOCKET_PATH, SUBPROTOCOL, type Ended, type SeenByTarget } from '../protocol.js'
import { Connection, type ConnectionEnd } from './connection.js'
import type { Exchanges } from './exchanges.js'
import { HeaderList } from './header-list.js'
import { Path, type NodeName } from './path.js'
import { requestIdOf } from './request-section.js'

/** Messages that are shown, and how much of each. */
const MOST_FRAMES = 20
const MOST_TEXT = 300

const frames = byId('frames', HTMLOListElement)
const sendButton = byId('message-send', HTMLButtonElement)
const input = byId('message', HTMLInputElement)

/** The page's session through the gateway to the target. It comes back by itself. */
export class SocketSection {
  readonly connection: Connection
  /** Called when there is a session. */
  onSession: () => void = () => {}
  /** Called with how each session ended. */
  onSessionEnd: (end: ConnectionEnd, id: string) => void = () => {}
  readonly #path = new Path(byId('socket-path', HTMLElement))
  readonly #headers = new HeaderList(byId('socket-headers', HTMLElement))
  readonly #exchanges: Exchanges
  readonly #sentAt: number[] = []
  #id = ''
  #sent = 0
  #received = 0

  constructor (exchanges: Exchanges) {
    this.#exchanges = exchanges
    this.#path.setAddress('gateway', location.host)
    // The second one is offered so that the target has to choose.
    this.connection = new Connection(SOCKET_PATH, [SUBPROTOCOL, 'demo.v0'], {
      onConnecting: () => this.#showState('connecting'),
      onOpen: protocol => setText(byId('socket-protocol', HTMLElement), protocol === '' ? 'none' : `${protocol}, chosen by the target of 2 offered`),
      onMessage: text => this.#onMessage(text),
      onEnd: end => this.#onEnd(end)
    })
    byId('message-form', HTMLFormElement).addEventListener('submit', event => {
      event.preventDefault()
      if (this.isReady) this.send(input.value)
    })
  }

  /** Whether the target has been heard of: messages go both ways. */
  get isReady (): boolean {
    return this.#id !== '' && this.connection.isOpen
  }

  send (text: string): void {
    this.#sentAt.push(performance.now())
    this.connection.send(text)
    this.#sent++
    this.#showFrame('up', text)
    this.#path.pulse('there')
  }

  #onMessage (text: string): void {
    if (this.#id === '') return this.#onHello(JSON.parse(text) as SeenByTarget)
    this.#received++
    const sentAt = this.#sentAt.shift()
    if (sentAt !== undefined) setText(byId('socket-trip', HTMLElement), milliseconds(performance.now() - sentAt))
    this.#showFrame('down', text)
    this.#path.pulse('back')
  }

  #onHello (seen: SeenByTarget): void {
    this.#id = requestIdOf(seen)
    this.#sent = this.#received = 0
    this.#sentAt.length = 0
    frames.replaceChildren()
    this.#path.setAddress('target', seen.target)
    this.#path.setNote(undefined)
    this.#exchanges.onStart(this.#id, ({ client, headers }) => {
      this.#path.setAddress('client', client)
      this.#headers.show(headers, seen.headers)
    })
    this.#showState('open')
    this.#showHops()
    this.#showCounts()
    const straight = byId('straight', HTMLElement)
    straight.hidden = seen.target !== location.host
    setText(straight, straight.hidden ? '' : `This page came straight from the target at ${seen.target}, not through the gateway.`)
    setAttribute(sendButton, 'aria-disabled', 'false')
    this.onSession()
  }

  #onEnd (end: ConnectionEnd): void {
    const id = this.#id
    this.#id = ''
    setAttribute(sendButton, 'aria-disabled', 'true')
    this.#showState('', `closed; the next attempt comes in ${milliseconds(end.wait)}`)
    // Of several attempts that fail, only the end before them says something.
    if (id === '') return
    const text = endText(end)
    setText(byId('socket-end', HTMLElement), text)
    announce(`The WebSocket has ended: ${text}`)
    for (const index of [0, 1] as const) this.#path.setHop(index, end.code === 1006 ? 'cut' : 'closed', `${count(this.#sent)} sent`, 'ended')
    setText(byId('socket-line', HTMLElement), 'waiting for the log line')
    this.#exchanges.onEnd(id, ended => this.#showLine(ended, text))
    this.onSessionEnd(end, id)
  }

  #showLine ({ by, reason, line, closeSent }: Ended, text: string): void {
    setText(byId('socket-end', HTMLElement), `${text}, by the ${by} (${reason})`)
    setText(byId('socket-line', HTMLElement), line.text)
    if (this.#id !== '') return
    this.#path.setNote(by as NodeName, `ended it: ${reason}`)
    const sent = `${count(this.#sent)} sent`
    const [toClient, toTarget] = [shortCloseName(closeSent?.client), shortCloseName(closeSent?.target)]
    this.#path.setHop(0, closeSent?.client == null ? 'cut' : 'closed', sent, toClient)
    // What a target ends is passed on as it ended it.
    const isOfTarget = by === 'target'
    this.#path.setHop(1, closeSent?.target == null ? 'cut' : 'closed', isOfTarget ? sent : toTarget, isOfTarget ? toClient : 'ended')
  }

  #showState (state: 'connecting' | 'open' | '', text: string = state): void {
    setText(byId('socket-state', HTMLElement), text)
    // How the one before ended stays until there is another one.
    if (state !== 'open') for (const id of ['socket-trip', 'socket-protocol', 'socket-messages']) setText(byId(id, HTMLElement), NOTHING)
  }

  #showHops (): void {
    const there = `${count(this.#sent)} sent`
    const back = `${count(this.#received)} received`
    for (const index of [0, 1] as const) this.#path.setHop(index, 'open', there, back)
  }

  #showCounts (): void {
    setText(byId('socket-messages', HTMLElement), `${count(this.#sent)} sent, ${count(this.#received)} received`)
  }

  #showFrame (direction: 'up' | 'down', text: string): void {
    const shown = text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT)}… (${count(text.length)} characters)` : text
    const body = element('span', '', shown)
    body.dir = 'auto'
    const arrow = element('span', 'arrow', direction === 'up' ? '↑' : '↓')
    arrow.ariaHidden = 'true'
    frames.prepend(element('li', direction, arrow, hiddenText(direction === 'up' ? 'sent: ' : 'received: '), body))
    if (frames.childElementCount > MOST_FRAMES) frames.lastElementChild!.remove()
    this.#showHops()
    this.#showCounts()
  }
}

/** 1012 'service restart', clean */
export function endText ({ code, reason, wasClean }: ConnectionEnd): string {
  // Chromium calls an end unclean, too, at which messages of the page had not been sent.
  const unclean = code === 1006 ? 'not clean: there was no Close' : 'not clean: not all messages had been sent'
  return `${code}${reason === '' ? ', no reason' : ` '${reason}'`}, ${wasClean ? 'clean' : unclean}`
}

/** What the gateway sent to each side at the end of a session. */
export function wireText ({ by, closeSent }: Ended): string {
  const atTarget = by === 'target' && closeSent?.target == null ? 'gone before' : closeName(closeSent?.target)
  return `to the browser: ${closeName(closeSent?.client)}\nto the target:  ${atTarget}`
}

function shortCloseName (code: number | null | undefined): string {
  return code == null ? 'no Close' : `Close ${code}`
}

function closeName (code: number | null | undefined): string {
  return code == null ? `end of the connection, ${shortCloseName(code)}` : shortCloseName(code)
}
