import { statusOfAccess } from './api.js'
import { byId, setText } from './dom.js'
import { clock } from './format.js'
import { icon, type Shape } from './icons.js'
import { announce } from './notices.js'
import { heardAt } from './server-clock.js'

const STATES: Record<string, { text: string, mood: string, shape: Shape }> = {
  connecting: { text: 'Connecting', mood: 'soft', shape: 'ring' },
  serving: { text: 'Serving', mood: 'good', shape: 'circle' },
  stopping: { text: 'Stopping', mood: 'warn', shape: 'half' },
  disconnected: { text: 'Not connected', mood: 'bad', shape: 'cross' }
}

const banner = byId('banner', HTMLElement)
const bannerText = byId('banner-text', HTMLElement)
const stopping = byId('stopping', HTMLElement)
const stateText = byId('state-text', HTMLElement)

/** What the gateway does, as far as the page can know, on top of the page and in its title. */
export class ConnectionState {
  readonly #icon = icon()
  #state = 'connecting'
  #problems = 0

  constructor () {
    byId('state', HTMLElement).prepend(this.#icon.element)
    this.#set('connecting')
  }

  /** The gateway says what it does: 'serving' or 'stopping'. */
  setGateway (state: string): void {
    if (state === 'stopping' && this.#state !== 'stopping') announce('The gateway is stopping')
    this.#set(state)
  }

  setProblems (problems: number): void {
    this.#problems = problems
    this.#showTitle()
  }

  connected (): void {
    if (this.#state === 'disconnected') announce('Connected to the gateway again')
    banner.hidden = true
    document.body.classList.remove('stale')
    this.#set('serving')
  }

  lost (reason: string): void {
    // What the first of several attempts has said stays.
    if (this.#state !== 'disconnected') this.#showLoss(reason)
    // A WebSocket does not say why it was refused.
    statusOfAccess().then(status => {
      if (status === 401 || status === 403) setText(bannerText, `The gateway refuses access (${status}). Load the page again to sign in.`)
    })
  }

  #showLoss (reason: string): void {
    const at = heardAt()
    setText(bannerText, [
      `Not connected to the gateway${reason === '' ? '' : `: ${reason}`}.`,
      at === undefined ? '' : `What you see is from ${clock(at)}.`,
      'The page keeps trying.'
    ].join(' '))
    banner.hidden = false
    document.body.classList.add('stale')
    announce('Not connected to the gateway')
    this.#set('disconnected')
  }

  #set (state: string): void {
    this.#state = state
    const { text, mood, shape } = STATES[state] ?? { text: state, mood: 'warn', shape: 'half' as const }
    this.#icon.set(shape, mood)
    setText(stateText, text)
    stopping.hidden = state !== 'stopping'
    this.#showTitle()
  }

  /** A tab that is not seen says what is wrong, too. */
  #showTitle (): void {
    const text = this.#state === 'serving' && this.#problems > 0
      ? this.#problems === 1 ? '1 problem' : `${this.#problems} problems`
      : (STATES[this.#state]?.text ?? this.#state).toLowerCase()
    setText(document.querySelector('title')!, `Sluice: ${text}`)
  }
}
