/** Numbers, units and times as text. A space before a unit does not break. */

const SPACE = '\u00a0'
export const NOTHING = '–'

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const oneDecimal = new Intl.NumberFormat('en', { maximumFractionDigits: 1 })
const threeDigits = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 })
const timeOfDay = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' })
const hourAndMinute = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })

/** 10,000 */
export function count (value: number): string {
  return whole.format(value)
}

/** 0, 0.4, 9.8, 1,240 */
export function perSecond (value: number): string {
  return value < 9.95 ? oneDecimal.format(value) : whole.format(value)
}

const BYTES = ['B', 'kB', 'MB', 'GB', 'TB']

/** 820 B, 1.24 kB, 3.2 MB */
export function bytes (value: number): string {
  let unit = 0
  while (value >= 999.5 && unit < BYTES.length - 1) {
    value /= 1_000
    unit++
  }
  return `${unit === 0 ? whole.format(value) : threeDigits.format(value)}${SPACE}${BYTES[unit]}`
}

/** 1.24 kB/s */
export function bytesPerSecond (value: number): string {
  return `${bytes(value)}/s`
}

/** 0.4 ms, 84 ms, 1.24 s */
export function milliseconds (value: number | null): string {
  if (value === null) return NOTHING
  if (value >= 999.5) return `${threeDigits.format(value / 1_000)}${SPACE}s`
  return `${value < 9.95 ? oneDecimal.format(value) : whole.format(value)}${SPACE}ms`
}

/** 0.2 % */
export function percent (share: number): string {
  const value = share * 100
  return `${value < 9.95 ? oneDecimal.format(value) : whole.format(value)}${SPACE}%`
}

/** 12 s, 3 min 4 s, 3 h 12 min, 2 d 4 h */
export function age (duration: number): string {
  const seconds = Math.max(0, Math.floor(duration / 1_000))
  if (seconds < 60) return `${seconds}${SPACE}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return both(minutes, 'min', seconds % 60, 's')
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return both(hours, 'h', minutes % 60, 'min')
  return both(Math.floor(hours / 24), 'd', hours % 24, 'h')
}

function both (large: number, largeUnit: string, small: number, smallUnit: string): string {
  const first = `${large}${SPACE}${largeUnit}`
  return small === 0 ? first : `${first}${SPACE}${small}${SPACE}${smallUnit}`
}

/** 03:12:44, of the browser's time zone. */
export function clock (at: number): string {
  return timeOfDay.format(at)
}

/** 03:12 */
export function shortClock (at: number): string {
  return hourAndMinute.format(at)
}

/** 1 session, 2 sessions */
export function plural (value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`
}
