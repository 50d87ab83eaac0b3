import { isCollection, isScalar, LineCounter, visit, type Document, type Node, type YAMLError } from 'yaml'

/** One thing wrong with the YAML of a file. */
export interface YamlProblem {
  /** Where it is in the text. */
  offset: number
  /** What is wrong, and the fix. */
  message: string
}

type Code = YAMLError['code']

/** Errors behind which the parser still knows where it is. After any other, the following ones are consequences. */
const LOCAL: ReadonlySet<Code> = new Set<Code>(['DUPLICATE_KEY', 'BAD_DQ_ESCAPE', 'TAG_RESOLVE_FAILED', 'BAD_ALIAS', 'BAD_COLLECTION_TYPE', 'ALIAS_PROPS', 'BAD_DIRECTIVE', 'BAD_SCALAR_START', 'TAB_AS_INDENT'])

/**
 * What is wrong with the YAML of a file, in words for those who write it: one problem a line, in the order of the text.
 *
 * @param document Made with `prettyErrors: false`.
 */
export function yamlProblems (document: Document.Parsed, text: string): YamlProblem[] {
  const source = new Source(document, text)
  const errors = [...document.errors, ...document.warnings].sort((one, other) => one.pos[0] - other.pos[0])
  const structural = errors.some(({ code }) => code === 'TAB_AS_INDENT') ? undefined : errors.find(({ code }) => !LOCAL.has(code))
  const found = [
    ...errors.filter(error => error === structural || LOCAL.has(error.code)).map(error => source.explain(error, errors)),
    ...structural === undefined ? undefinedAliases(document) : []
  ].sort((one, other) => one.offset - other.offset)
  const lines = new Set<number>()
  return found.filter(({ offset }) => {
    const line = source.line(offset)
    return !lines.has(line) && lines.add(line)
  })
}

/** What is said where the values of a document cannot be made, although its text is well formed. */
export function yamlValuesFault (error: unknown): string {
  const { message } = error as Error
  return /alias count/i.test(message) ? "its aliases ('*name') stand for too many values; write them out" : message
}

function undefinedAliases (document: Document.Parsed): YamlProblem[] {
  const found: YamlProblem[] = []
  visit(document, {
    Alias (_, alias) {
      if (alias.resolve(document) !== undefined) return
      found.push({
        offset: alias.range![0],
        message: `alias '*${alias.source}' has no anchor '&${alias.source}' before it; a text that begins with * must be in quotes: '*${alias.source}'`
      })
    }
  })
  return found
}

/** The text of a file, as far as its errors are about it. */
class Source {
  readonly #document: Document.Parsed
  readonly #text: string
  readonly #lines: string[]
  readonly #counter = new LineCounter()

  constructor (document: Document.Parsed, text: string) {
    this.#document = document
    this.#text = text
    this.#lines = text.split(/\r?\n/)
    this.#counter.addNewLine(0)
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) this.#counter.addNewLine(at + 1)
  }

  /** The number of the line in which an offset lies, from 1. */
  line (offset: number): number {
    return Math.max(1, this.#counter.linePos(offset).line)
  }

  explain (error: YAMLError, all: readonly YAMLError[]): YamlProblem {
    const offset = error.pos[0]
    const tab = this.#tabBefore(offset)
    if (tab !== undefined && (error.code === 'TAB_AS_INDENT' || error.code === 'BAD_INDENT')) {
      return { offset: tab, message: 'there is a tab; YAML is indented with spaces alone, so replace it by spaces' }
    }
    return this.#explain(error, all) ?? { offset, message: error.message }
  }

  #explain ({ code, message, pos: [offset] }: YAMLError, all: readonly YAMLError[]): YamlProblem | undefined {
    const at = (words: string, where = offset): YamlProblem => ({ offset: where, message: words })
    const here = this.#word(offset)
    const isAlso = (other: Code): boolean => all.some(({ code, pos }) => code === other && pos[0] === offset)
    switch (code) {
      case 'TAB_AS_INDENT': return at('there is a tab where YAML has spaces; replace it by spaces')
      case 'DUPLICATE_KEY': return at(`the key '${/^[^\s:,}]*/.exec(this.#text.slice(offset))![0]}' is there already; every key must be unique`)
      case 'MULTIPLE_DOCS': return at(`there must be one document in the file; remove the '${this.#text.startsWith('---', offset) ? '---' : '...'}' and what follows`)
      case 'BAD_DQ_ESCAPE': {
        const escape = message.replace(/^Invalid escape sequence /, '')
        return at(`'${escape}' is not an escape sequence of YAML; write '\\${escape}' for a backslash, or put the text in single quotes`)
      }
      case 'BAD_SCALAR_START': return at(`a text cannot begin with ${this.#text[offset]}; put it in quotes: '${this.#value(offset)}'`)
      case 'BAD_ALIAS':
        if (message.includes('ending in')) return at(`a space is missing before the colon behind '${here.replace(/:$/, '')}'`, this.#wordStart(offset))
        return at(`'${this.#text[offset]}' begins ${this.#text[offset] === '*' ? 'an alias' : 'an anchor'}, and has no name behind it; put a text that begins with it in quotes: '${this.#value(offset)}'`)
      case 'TAG_RESOLVE_FAILED': {
        const [, type] = /^Unresolved tag: tag:yaml\.org,2002:(\w+)$/.exec(message) ?? []
        if (type !== undefined) return at(`what follows '!!${type}' is not of that type; remove '!!${type}'`)
        return at(here.startsWith('!') ? `the tag '${here}' is not known here; remove it, or put a text that begins with ! in quotes` : message)
      }
      case 'BAD_COLLECTION_TYPE': return at(`the tag '${here}' does not fit what follows it; remove it`)
      case 'BAD_DIRECTIVE': return at(`the line begins with %, and is not a directive that is known here; remove it (${message})`)
      case 'ALIAS_PROPS': return at(`alias '${here}' cannot have an anchor or a tag; remove what stands before it`)
      case 'MULTIPLE_ANCHORS': return at(`a value can have one anchor; remove '${here}'`)
      case 'MULTIPLE_TAGS': return at(`a value can have one tag; remove '${here}'`)
      case 'BAD_PROP_ORDER': return at("an anchor or a tag must stand behind the '- ', '? ' or ': '")
      case 'KEY_OVER_1024_CHARS': return at("the key is longer than 1024 characters; is the ': ' behind it missing, or a quote?")
      case 'RESOURCE_EXHAUSTION': return at('it is nested too deeply')
      case 'BLOCK_IN_FLOW': return at(this.#inFlow(offset))
      case 'MULTILINE_IMPLICIT_KEY': return isAlso('BLOCK_AS_IMPLICIT_KEY') ? this.#tooDeep(offset) : at(isAlso('BLOCK_IN_FLOW') ? this.#inFlow(offset) : this.#withoutColon(offset))
      case 'BLOCK_AS_IMPLICIT_KEY':
        if (message.startsWith('A block sequence')) return at("an item of a list ('- ') is where no list is; indent it like the first item of its list", this.#content(offset))
        if (isAlso('MULTILINE_IMPLICIT_KEY')) return this.#tooDeep(offset)
        return at("there is a second ': ' in the line; put the value in quotes, or begin a new line for the second key", offset)
      case 'BAD_INDENT':
        if (/^Flow /.test(message)) return this.#openBracket(offset)
        if (/^Block scalar/.test(message)) return at("the text behind '|' or '>' must be indented further than its key", this.#content(offset))
        return at(this.#indentation(offset), this.#content(offset))
      case 'MISSING_CHAR': return this.#missing(message, offset)
      case 'UNEXPECTED_TOKEN': return this.#unexpected(message, offset)
      default: return undefined
    }
  }

  #missing (message: string, offset: number): YamlProblem | undefined {
    const at = (words: string, where = offset): YamlProblem => ({ offset: where, message: words })
    const here = this.#word(offset)
    if (/^Missing closing/.test(message)) return this.#openQuote(offset)
    if (/^Flow /.test(message)) return this.#openBracket(offset)
    if (/^Implicit map keys/.test(message)) return at(this.#withoutColon(offset))
    if (/^Sequence item without/.test(message)) return at(this.#indentation(offset), this.#content(offset))
    if (/^Comments must/.test(message)) return at("a space is missing before '#', with which a comment begins; a text with # must be in quotes")
    if (/^Missing space after :/.test(message)) return at("a space is missing behind the ':'")
    if (/^Missing , (or|between)/.test(message)) return at(`a comma${message.includes(', or :') ? ' or a colon' : ''} is missing before '${here}'`)
    if (/^Tags and anchors/.test(message)) return at('a space is missing behind the tag or the anchor')
    if (/^Missing directives-end/.test(message)) return at("the lines that begin with % must be followed by a line '---'; or remove them")
    if (/^Block collection cannot/.test(message)) return at("'---' must be in a line of its own")
    if (/^Block scalars with/.test(message)) return at("the text behind '|' or '>' begins with empty lines that have more spaces than its first line; remove their spaces", this.#content(offset))
    return undefined
  }

  #unexpected (message: string, offset: number): YamlProblem | undefined {
    const at = (words: string, where = offset): YamlProblem => ({ offset: where, message: words })
    const character = this.#text[offset]
    if (character === ']' || character === '}') return at(`there is a '${character}' without a '${character === ']' ? '[' : '{'}' before it; remove it`)
    if (/^Unexpected (,|empty item)/.test(message)) return at('there is a comma with nothing before it; remove it')
    if (/^Block scalar header/.test(message)) return at("behind '|' or '>' there can be only a digit, '+' or '-'; begin the text in the next line")
    if (!message.endsWith('at node end')) return undefined
    const quoted = this.#quotedBefore(offset)
    // The quote that was meant to end it is the one that begins the next text.
    if (quoted !== undefined && this.line(quoted) !== this.line(offset)) {
      return at(`the quote that is opened here is closed only in line ${this.line(offset)}; close it in its own line`, quoted)
    }
    const isInFlow = this.#flowAround(offset) !== undefined
    if (quoted !== undefined && this.#text[quoted] === "'" && this.#text[offset - 1] === "'") {
      return at("the quote before this ends the text; a ' inside of a text in single quotes is written twice ('')")
    }
    return at(`'${this.#word(offset)}' follows a value that is complete; ${isInFlow ? 'a comma is missing between them, or the value must be in quotes as a whole' : 'put the value in quotes as a whole, or begin a new line'}`)
  }

  /** A line that has something where a key is expected, and no ': ' behind it. */
  #withoutColon (offset: number): string {
    const line = withoutComment(this.#text.slice(offset, this.#end(offset)))
    const glued = /^([\w.$-]+):(\S.*)$/.exec(line)
    if (glued !== null) return `a space is missing behind the colon; write '${glued[1]}: ${glued[2]}'`
    const end = line.search(/\s/)
    const key = end === -1 ? line : line.slice(0, end)
    return `a colon is missing behind '${key}'; write '${end === -1 ? `${key}:` : `${key}: ${line.slice(end).trim()}`}'`
  }

  /** The line after a complete entry is indented further, as if it went on. */
  #tooDeep (offset: number): YamlProblem {
    const next = this.#content(this.#end(offset) + 1)
    const above = this.#indent(this.line(offset))
    return { offset: next, message: `the line is indented further than the one above, whose value is complete; indent it by ${spaces(above)}, too` }
  }

  #indentation (offset: number): string {
    const line = this.line(offset)
    const indent = this.#indent(line)
    const isItem = /^-(\s|$)/.test(this.#lines[line - 1]!.trim())
    const levels = new Set<number>()
    let isBesideList = false
    let least = Infinity
    for (let above = line - 1; above >= 1 && least > 0; above--) {
      const content = this.#lines[above - 1]!.trim()
      if (content === '' || content.startsWith('#')) continue
      const outer = this.#indent(above)
      // With '- ' a line begins two levels: that of the item, and that of the keys in it.
      const dash = /^-\s+/.exec(content)?.[0].length ?? 0
      if (dash > 0 && !isItem && outer + dash < least) levels.add(outer + dash)
      if (outer < least && (dash > 0) === isItem) levels.add(outer)
      if (outer < least && dash > 0 && outer === indent) isBesideList = true
      least = Math.min(least, outer)
    }
    const all = [...levels].sort((one, other) => one - other)
    const last = all.pop() ?? 0
    const list = isBesideList && !isItem ? "; an item of the list that is indented like it begins with '- '" : ''
    return `the line is indented by ${spaces(indent)}, but the ${isItem ? 'items' : 'entries'} that it could stand beside by ${all.length === 0 ? '' : `${all.join(', ')} or `}${last}${list}`
  }

  /** Inside brackets. */
  #inFlow (offset: number): string {
    return this.#text.slice(this.#start(offset)).trimStart().startsWith('- ')
      ? "inside [ ] items have no '- ' before them, but commas between them; or remove the brackets"
      : 'a comma is missing; inside { } and [ ] entries are separated by commas'
  }

  #openQuote (offset: number): YamlProblem {
    return { offset: this.#quotedBefore(offset) ?? offset, message: 'the quote that is opened here is never closed; close it at the end of the text' }
  }

  #openBracket (offset: number): YamlProblem {
    const found = this.#flowAround(offset)
    const open = found === undefined ? undefined : this.#text[found]
    if (found === undefined || (open !== '{' && open !== '[')) return { offset, message: 'a bracket is not closed before this line, or the line must be indented further' }
    const close = open === '{' ? '}' : ']'
    return { offset: found, message: `the '${open}' is not closed; put a '${close}' behind its last entry, and indent the lines between them further than the line of the '${open}'` }
  }

  /** Where the last quoted text before an offset begins. */
  #quotedBefore (offset: number): number | undefined {
    return this.#lastBefore(offset, node => isScalar(node) && (node.type === 'QUOTE_DOUBLE' || node.type === 'QUOTE_SINGLE'))
  }

  /** Where the innermost bracket begins that an offset lies in, or that ends without its other half there. */
  #flowAround (offset: number): number | undefined {
    return this.#lastBefore(offset, node => isCollection(node) && node.flow === true && node.range![1] >= offset && !this.#isClosed(node, offset))
  }

  /** Whether a collection ends at an offset, or before it, with its other half. */
  #isClosed ({ range }: Node, offset: number): boolean {
    return range![1] <= offset && this.#text[range![1] - 1] === (this.#text[range![0]] === '{' ? '}' : ']')
  }

  #lastBefore (offset: number, test: (node: Node) => boolean): number | undefined {
    let last: number | undefined
    visit(this.#document, {
      Node (_, node) {
        const start = node.range?.[0]
        if (start !== undefined && start < offset && start >= (last ?? 0) && test(node)) last = start
      }
    })
    return last
  }

  #indent (line: number): number {
    return /^\s*/.exec(this.#lines[line - 1] ?? '')![0].length
  }

  #start (offset: number): number {
    return this.#text.lastIndexOf('\n', offset - 1) + 1
  }

  #end (offset: number): number {
    const end = this.#text.indexOf('\n', offset)
    return end === -1 ? this.#text.length : end
  }

  /** Where the line of an offset has its first character that is no space. */
  #content (offset: number): number {
    return this.#start(offset) + this.#indent(this.line(offset))
  }

  /** The tab among the white space at the beginning of a line. */
  #tabBefore (offset: number): number | undefined {
    const start = this.#start(offset)
    const at = /^[^\S\n]*/.exec(this.#text.slice(start, this.#end(start)))![0].indexOf('\t')
    return at === -1 ? undefined : start + at
  }

  #wordStart (offset: number): number {
    return Math.max(this.#start(offset), ...[' ', '\t'].map(space => this.#text.lastIndexOf(space, offset - 1) + 1))
  }

  #word (offset: number): string {
    return /^[^\s,{}[\]]+|^\S?/.exec(this.#text.slice(offset, this.#end(offset)))![0]
  }

  /** The rest of a value, as it would be put in quotes. */
  #value (offset: number): string {
    const value = withoutComment(this.#text.slice(offset, this.#end(offset)))
    let end = value.length
    while (end > 0 && ',}] '.includes(value[end - 1]!)) end--
    return value.slice(0, end)
  }
}

function spaces (count: number): string {
  return count === 1 ? '1 space' : `${count} spaces`
}

/** A line without the comment at its end. */
function withoutComment (line: string): string {
  return line.split(/\s#/, 1)[0]!.trim()
}
