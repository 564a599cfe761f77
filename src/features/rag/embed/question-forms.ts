/** Rewrites a question into forms that are nearer to the passage that answers it. */

/** Words that begin a question. */
const OPENINGS = new Set(
  `what which who whom whose when where why how is are was were do does did can could may might must shall should will would am`.split(
    ' ',
  ),
)
/** Fewest words that must remain. */
const MIN_WORDS = 2

/**
 * Returns the forms of an English question whose vectors are averaged: as it is, without its opening words, and begun as its answer.
 * @returns null for text that is no question: keywords, a statement
 * @example
 * questionForms('When does the ferry leave?')
 * // ['When does the ferry leave?', 'the ferry leave', 'When does the ferry leave? The answer is']
 */
export function questionForms(query: string): readonly string[] | null {
  const words = query.trim().split(/\s+/)
  let first = 0
  while (words.length - first > MIN_WORDS && isOpening(words[first] ?? '')) first++
  const asks = query.trim().endsWith('?')
  if (first === 0 && !asks) return null
  const matter = words.slice(first).join(' ').replace(/\?+$/, '')
  return [query, matter, `${query} The answer is`]
}

const isOpening = (word: string) => OPENINGS.has(word.replace(/\W/g, '').toLowerCase())
