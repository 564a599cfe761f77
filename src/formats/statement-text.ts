/** Takes the values of a statement out of the text of its error, where the statement and its parameters are quoted in it. */

/** Format of drizzle's error messages: `Failed query: STATEMENT\nparams: VALUES`, and in a stack its frames. */
const FAILED = /failed query: /i
const PARAMS = /(?:\s|\\n)params: ?/i
/** The frames at the end of a stack; a value may hold lines like them, but then nothing else follows. */
const FRAMES = /(?:\n {4}at [^\n]*(?::\d+(?::\d+)?\)?|<anonymous>\)?|\(native\)))+\s*$/

/** Comments, names in quotes, which stay, and literals: text, blobs, numbers. One that is not closed ends with the text. */
const TOKENS =
  /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|"(?:[^"]|"")*"|`(?:[^`]|``)*`|x?'(?:[^']|'')*(?:'|$)|(?<![\w$?:@.])\d[\w.]*/gi

/**
 * Takes the values out of text that quotes a failed statement: its parameters, and what is written into the statement itself. Names,
 * keywords, the text before it and the frames of a stack stay. Other text stays as it is.
 */
export function withoutStatementValues(text: string): string {
  const found = FAILED.exec(text)
  if (found === null) return text
  const from = found.index + found[0].length
  const rest = text.slice(from)
  const frames = FRAMES.exec(rest)?.[0] ?? ''
  const said = rest.slice(0, rest.length - frames.length)
  const params = PARAMS.exec(said)
  const statement = params === null ? said : said.slice(0, params.index)
  return `${text.slice(0, from)}${withoutLiterals(statement)}${params === null ? '' : '\nparams: …'}${frames}`
}

/** A statement of SQL with its literals and comments taken out. */
function withoutLiterals(statement: string): string {
  return statement.replace(TOKENS, (token) => (token.startsWith('"') || token.startsWith('`') ? token : '…'))
}
