import type { TObject } from '@sinclair/typebox'

/** Options of which some have got their defaults. */
export type WithDefaults<Options, Name extends keyof Options> = Options & { [name in Name]-?: Exclude<Options[name], undefined> }

/**
 * Options with the defaults of their schema, where they do not have values of their own.
 *
 * @param names Those that have one.
 */
export function withDefaults<Options extends object, Name extends keyof Options & string> ({ properties }: TObject, options: Options, names: readonly Name[]): WithDefaults<Options, Name> {
  const complete = { ...options }
  for (const name of names) {
    if (!('default' in (properties[name] ?? {}))) throw new TypeError(`the option ${name} has no default`)
    complete[name] ??= properties[name]!.default
  }
  return complete as WithDefaults<Options, Name>
}
