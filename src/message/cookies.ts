/** The value of a cookie in a Cookie header (RFC 6265 §4.2.1); of several with one name, the first. */
export function cookieOf (header: string | undefined, name: string): string | undefined {
  if (header === undefined) return undefined
  let from = 0
  while (from < header.length) {
    let end = header.indexOf(';', from)
    if (end === -1) end = header.length
    const equals = header.indexOf('=', from)
    if (equals !== -1 && equals < end && header.slice(from, equals).trim() === name) {
      const value = header.slice(equals + 1, end).trim()
      return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value
    }
    from = end + 1
  }
  return undefined
}
