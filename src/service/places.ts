/** Says where in the configuration a path lies, in words for an error: 'routes.0.url', 'sluice.yaml:7:5: routes.0.url'. */
export type Locate = (path: string[]) => string

/** The place in a configuration object, which has no lines. */
export const locateInObject: Locate = path => path.length === 0 ? 'configuration' : path.join('.')

/** Where the parts of a configuration are written, such as 'sluice.yaml:7:5', by their paths. Another process can get it. */
export type Places = ReadonlyMap<string, string>

/** The key of a path in Places. */
export function placeKey (path: readonly string[]): string {
  return path.join('\0')
}

/** Says where the value at a path is written; of a missing value, where what it is missing from is. */
export function locateIn (places: Places | undefined): Locate {
  if (places === undefined) return locateInObject
  return path => {
    for (let length = path.length; length >= 0; length--) {
      const place = places.get(placeKey(path.slice(0, length)))
      if (place !== undefined) return path.length === 0 ? place : `${place}: ${path.join('.')}`
    }
    return locateInObject(path)
  }
}
