import { byId, element, setText } from './dom.js'

/** A question that stands before everything that changes something. */
export interface Question {
  title: string
  text: string
  /** What it is about: names and values. */
  facts?: Array<[name: string, value: string]>
  /** A consequence that must not be missed. */
  warning?: string
  /** Whether a close code and a reason are asked for. */
  close?: boolean
  confirm: string
  /** @throws {Error} whose message is shown; the dialog stays open. */
  act: (code: number, reason: string) => Promise<void>
  /** Gets the focus if what had it before is gone by then. */
  fallback?: HTMLElement
}

const dialog = byId('dialog', HTMLDialogElement)
const form = byId('dialog-form', HTMLFormElement)
const title = byId('dialog-title', HTMLElement)
const text = byId('dialog-text', HTMLElement)
const facts = byId('dialog-facts', HTMLElement)
const warning = byId('dialog-warning', HTMLElement)
const closing = byId('dialog-close', HTMLElement)
const code = byId('dialog-code', HTMLInputElement)
const reason = byId('dialog-reason', HTMLInputElement)
const problem = byId('dialog-problem', HTMLElement)
const cancel = byId('dialog-cancel', HTMLButtonElement)
const confirm = byId('dialog-confirm', HTMLButtonElement)

let asked: Question | undefined
let opener: Element | null = null

/** Asks, and acts when it is confirmed. */
export function ask (question: Question): void {
  asked = question
  opener = document.activeElement
  setText(title, question.title)
  setText(text, question.text)
  facts.replaceChildren(...(question.facts ?? []).flatMap(([name, value]) => {
    const shown = element('dd', '', value)
    shown.dir = 'auto'
    return [element('dt', '', name), shown]
  }))
  facts.hidden = (question.facts ?? []).length === 0
  setText(warning, question.warning ?? '')
  warning.hidden = question.warning === undefined
  closing.hidden = question.close !== true
  code.disabled = reason.disabled = closing.hidden
  code.value = '1000'
  reason.value = ''
  setText(problem, '')
  setText(confirm, question.confirm)
  setBusy(false)
  dialog.showModal()
  // Not the button that acts: a second Enter must not confirm by accident.
  cancel.focus()
}

function setBusy (busy: boolean): void {
  confirm.setAttribute('aria-disabled', String(busy))
}

async function act (question: Question): Promise<void> {
  setBusy(true)
  setText(problem, '')
  try {
    await question.act(Number(code.value), reason.value)
    if (asked === question) dialog.close()
  } catch (error) {
    if (asked === question) setText(problem, (error as Error).message)
  } finally {
    if (asked === question) setBusy(false)
  }
}

form.addEventListener('submit', event => {
  event.preventDefault()
  if (asked !== undefined && confirm.getAttribute('aria-disabled') !== 'true') act(asked)
})
cancel.addEventListener('click', () => dialog.close())
dialog.addEventListener('close', () => {
  const fallback = asked?.fallback
  asked = undefined
  // The browser gives the focus back to what had it, unless that is gone or hidden by now.
  if (document.activeElement !== document.body) return
  const neighbour = opener?.isConnected === true ? opener.parentElement?.querySelector<HTMLElement>('button:not([hidden])') : undefined
  const next = neighbour ?? fallback
  next?.focus()
})
