/** JSON that callers send. */

/** SQLite reads JSON that is 1,000 levels deep, and reading of any other kind goes by recursion. What people send has ten. */
const DEEPEST = 100

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
