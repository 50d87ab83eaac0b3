import { byId, setText } from '../../../admin/page/dom.js'
import { icon, type Shape } from '../../../admin/page/icons.js'
import { announce } from '../../../admin/page/notices.js'

const STATES: Record<string, { text: string, mood: string, shape: Shape }> = {
  connecting: { text: 'Connecting', mood: 'soft', shape: 'ring' },
  connected: { text: 'Connected', mood: 'good', shape: 'circle' },
  lost: { text: 'Not connected', mood: 'bad', shape: 'cross' }
}

const banner = byId('banner', HTMLElement)

/** Whether the page is connected to the gateway: on top, in the banner and in the title. */
export class GatewayState {
  readonly #icon = icon()
  #state = ''

  constructor () {
    byId('state', HTMLElement).prepend(this.#icon.element)
    this.#set('connecting')
  }

  connected (): void {
    if (this.#state === 'lost') announce('Connected to the gateway again')
    banner.hidden = true
    this.#set('connected')
  }

  lost (): void {
    if (this.#state === 'lost') return
    setText(byId('banner-text', HTMLElement), 'Not connected to the gateway. The page keeps trying; start the gateway again and it comes back.')
    banner.hidden = false
    announce('Not connected to the gateway')
    this.#set('lost')
  }

  #set (state: string): void {
    this.#state = state
    const { text, mood, shape } = STATES[state]!
    this.#icon.set(shape, mood)
    setText(byId('state-text', HTMLElement), text)
    setText(document.querySelector('title')!, state === 'connected' ? 'Sluice demo' : `Sluice demo: ${text.toLowerCase()}`)
  }
}
