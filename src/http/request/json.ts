/** JSON that callers send. */
import { parseSent } from '../../formats/json-text.ts'

/** SQLite reads JSON that is 1,000 levels deep, and reading of any other kind goes by recursion. What people send has ten. */
export const DEEPEST = 100

/**
 * Parses JSON; numbers that a double does not hold become `LosslessNumber`s.
 * @throws SyntaxError when it is none, or nested more than 100 levels deep; RepeatedNameError where a name is in an object twice
 */
export function parseJson(text: string): unknown {
  return parseSent(text, { depth: DEEPEST })
}
