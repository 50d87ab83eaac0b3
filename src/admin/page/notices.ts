import { byId, setText } from './dom.js'

/** How long a notice is shown, in milliseconds, and how long announcements are collected. */
const SHOWN = 8_000
const COLLECTED = 1_000
/** Announcements that are read out together; of more, only the number is. */
const MOST = 3

const notice = byId('notice', HTMLElement)
const announcer = byId('announcer', HTMLElement)

let hiding: number | undefined
let collected: string[] = []

/** Shows what something that was asked for has brought. It is read out, too. */
export function notify (text: string): void {
  setText(notice, text)
  window.clearTimeout(hiding)
  hiding = window.setTimeout(() => setText(notice, ''), SHOWN)
}

/** Has a change of state read out; what changes every second is not. */
export function announce (text: string): void {
  if (collected.push(text) > 1) return
  window.setTimeout(() => {
    const more = collected.length - MOST
    setText(announcer, `${collected.slice(0, MOST).join('. ')}.${more > 0 ? ` And ${more} more.` : ''}`)
    collected = []
  }, COLLECTED)
}
