/** The variables that a configuration file may name: those of the environment, and of .env. */
export type Variables = Readonly<NodeJS.Dict<string>>

/** A text in which variables have been replaced. */
export interface Replaced {
  text: string
  /** Whether there were any. */
  isVariable: boolean
  /** What is wrong, in words; undefined if all is well. */
  problem: string | undefined
}

/** What a variable begins with. */
const BEGIN = '$' + '{'

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/**
 * Replaces `${NAME}` and `${NAME:-default}` in a text. `$${` stands for `${`.
 *
 * An empty variable counts as not set, as those have it that the service itself reads: `${NAME:-}` allows it.
 */
export function replaceVariables (text: string, variables: Variables): Replaced {
  let result = ''
  let isVariable = false
  let at = 0
  for (;;) {
    const begin = text.indexOf('${', at)
    if (begin === -1) return { text: result + text.slice(at), isVariable, problem: undefined }
    if (text[begin - 1] === '$' && begin > at) {
      result += `${text.slice(at, begin - 1)}\${`
      at = begin + 2
      isVariable = true
      continue
    }
    const end = text.indexOf('}', begin)
    const wrong = (problem: string): Replaced => ({ text, isVariable: true, problem })
    if (end === -1) return wrong("'" + BEGIN + "' has no '}' behind it; write $" + BEGIN + ' for the characters themselves')
    const [name = '', ...rest] = text.slice(begin + 2, end).split(':-')
    const standard = rest.length === 0 ? undefined : rest.join(':-')
    if (!NAME.test(name)) return wrong(`'\${${text.slice(begin + 2, end)}}' does not name an environment variable; write \${NAME} or \${NAME:-default}, or $\${ for the characters themselves`)
    const given = Object.hasOwn(variables, name) ? variables[name] : undefined
    const value = given === undefined || given === '' ? standard : given
    if (value === undefined) return wrong(`the environment variable ${name} is ${given === undefined ? 'not set' : 'empty'}; set it, or give a default: \${${name}:-default}`)
    result += text.slice(at, begin) + value
    isVariable = true
    at = end + 1
  }
}
