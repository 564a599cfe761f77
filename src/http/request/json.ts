/** JSON that callers send. */

/** SQLite reads JSON that is 1,000 levels deep, and reading of any other kind goes by recursion. What people send has ten. */
export const DEEPEST = 100

/**
 * Parses JSON.
 * @throws SyntaxError when it is none, or nested more than 100 levels deep
 */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text)
  if (isDeeper(value, DEEPEST)) throw new SyntaxError(`it is nested more than ${DEEPEST} levels deep`)
  return value
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (levels === 0) return true
  for (const inner of Array.isArray(value) ? value : Object.values(value)) if (isDeeper(inner, levels - 1)) return true
  return false
}

/** A number that JSON can write but a double can't hold, perhaps within a string. */
const LARGE_NUMBER = /[eE]\+?\d|\d{309}/

/**
 * Finds a number that JSON can write but a double can't hold, such as 1e999: parsing makes it infinite, and writing it again null.
 * @param value the parsed text
 * @returns its path (`items.0.amount`); null where there is none
 */
export function findTooLarge(text: string, value: unknown): string | null {
  return LARGE_NUMBER.test(text) ? (pathToInfinity(value)?.join('.') ?? null) : null
}

/** The way to the first infinite number, innermost step last. Looks at arrays by place: their entries would cost ten times as much. */
function pathToInfinity(value: unknown): string[] | null {
  if (typeof value === 'number') return Number.isFinite(value) ? null : []
  if (typeof value !== 'object' || value === null) return null
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) {
      const path = pathToInfinity(value[at])
      if (path !== null) return [String(at), ...path]
    }
    return null
  }
  for (const [key, inner] of Object.entries(value)) {
    const path = pathToInfinity(inner)
    if (path !== null) return [key, ...path]
  }
  return null
}
