/** Small helpers for the DOM. Text goes in as text only, never as HTML: much of it comes from clients. */

export function byId<T extends HTMLElement> (id: string, type: abstract new () => T): T {
  const found = document.getElementById(id)
  if (!(found instanceof type)) throw new Error(`#${id} is not a ${type.name}`)
  return found
}

export function element<Name extends keyof HTMLElementTagNameMap> (name: Name, className = '', ...content: Array<Node | string>): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name)
  if (className !== '') made.className = className
  made.append(...content)
  return made
}

export function button (text: string, className: string, onClick: () => void): HTMLButtonElement {
  const made = element('button', className, text)
  made.type = 'button'
  made.addEventListener('click', onClick)
  return made
}

/** Text for screen readers only. */
export function hiddenText (text = ''): HTMLSpanElement {
  return element('span', 'visually-hidden', text)
}

/** Changes the DOM only if the text has changed, so that a selection and a screen reader's place are kept. */
export function setText (node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text
}

export function setAttribute (of: Element, name: string, value: string): void {
  if (of.getAttribute(name) !== value) of.setAttribute(name, value)
}

/** Adds a line whose text may come from anyone: its direction of writing does not affect what is around it. Gives what sets its text. */
export function addLine (parent: HTMLElement, className = ''): (text: string) => void {
  const line = element('div', `line ${className}`)
  line.dir = 'auto'
  line.hidden = true
  parent.append(line)
  return text => {
    if (line.textContent === text) return
    line.textContent = text
    line.hidden = text === ''
    // Long text is cut off by the style sheet.
    line.title = text.length > 60 ? text : ''
  }
}

/** Replaces the options of a list behind its first one, and keeps what is selected. */
export function setOptions (list: HTMLSelectElement, values: readonly string[]): void {
  const before = [...list.options].slice(1).map(option => option.value)
  if (before.length === values.length && before.every((value, index) => value === values[index])) return
  const { value: selected } = list
  list.length = 1
  for (const value of values) list.add(new Option(value, value))
  // What is gone stays selected, so that a filter does not change by itself.
  if (selected !== '' && !values.includes(selected)) list.add(new Option(selected, selected))
  list.value = selected
}
