/** Shapes beside texts: no meaning is in colour alone. */

const PATHS = {
  circle: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2z',
  ring: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zm0 2.2a3.8 3.8 0 1 1 0 7.6 3.8 3.8 0 0 1 0-7.6z',
  half: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zm0 2.2v7.6a3.8 3.8 0 0 1 0-7.6z',
  triangle: 'M8 1.8 15 14H1z',
  cross: 'M3.6 1.8 8 6.2l4.4-4.4 1.8 1.8L9.8 8l4.4 4.4-1.8 1.8L8 9.8l-4.4 4.4-1.8-1.8L6.2 8 1.8 3.6z',
  square: 'M2.5 2.5h11v11h-11z',
  check: 'm6.3 13.4-4.7-4.7 1.8-1.8 2.9 2.9 6.3-6.3 1.8 1.8z',
  up: 'M8 4.5 13 11H3z',
  down: 'M8 11.5 3 5h10z',
  unsorted: 'M8 1.8 11.5 6.4h-7zM8 14.2 4.5 9.6h7z'
}

export type Shape = keyof typeof PATHS

const SVG = 'http://www.w3.org/2000/svg'

/** A shape, and what changes it. */
export function icon (): { element: SVGSVGElement, set: (shape: Shape, mood: string) => void } {
  const element = document.createElementNS(SVG, 'svg')
  element.setAttribute('viewBox', '0 0 16 16')
  element.setAttribute('aria-hidden', 'true')
  const path = element.appendChild(document.createElementNS(SVG, 'path'))
  let shown = ''
  return {
    element,
    set (shape, mood) {
      if (shown === shape + mood) return
      shown = shape + mood
      path.setAttribute('d', PATHS[shape])
      element.setAttribute('class', `icon ${mood}`)
    }
  }
}
