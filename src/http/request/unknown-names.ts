/** Names that a caller misspelt, and the one that was meant. */
import { distance } from 'fastest-levenshtein'
import * as z from 'zod'

/** Maximum of known names that are listed where none is similar. */
const MAX_NAMES = 12
/** Characters of a name that are compared: the time goes by their square, and no name of ours is as long. */
const MAX_COMPARED = 64

/**
 * Words the issues of strict objects: a line for each unknown key, so that {@link faultsOf} can name each alone. Leaves other issues unchanged.
 * @example schema.safeParse(value, { error: wordUnknownKeys })
 */
export const wordUnknownKeys: z.core.$ZodErrorMap = (issue) => {
  if (issue.code !== 'unrecognized_keys') return undefined
  const known = issue.inst instanceof z.ZodObject ? Object.keys(issue.inst.shape) : []
  return issue.keys.map((key) => describeUnknown(key, known)).join('\n')
}

/**
 * Says that a name is not known, and which was probably meant.
 * @example describeUnknown('limti', ['limit', 'cursor']) // 'Not known here. Did you mean "limit"?'
 */
export function describeUnknown(name: string, known: readonly string[]): string {
  const meant = nearestName(name, known)
  if (meant !== undefined) return `Not known here. Did you mean "${meant}"?`
  if (known.length === 0) return 'Not known here: nothing is taken.'
  const more = known.length > MAX_NAMES ? ', …' : ''
  return `Not known here. Known are: ${known.slice(0, MAX_NAMES).join(', ')}${more}.`
}

/** Finds the known name that is no more than a third of its letters away; case and what joins words make no difference. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const written = plain(name.slice(0, MAX_COMPARED))
  const [best] = known
    .map((one) => ({ one, away: distance(written, plain(one)) }))
    .filter(({ one, away }) => away <= mostAway(plain(one).length))
    .sort((a, b) => a.away - b.away)
  return best?.one
}

/** Letters that may be wrong in a name of so many. A transposition counts as two. */
const mostAway = (length: number) => Math.max(length < 5 ? 1 : 2, Math.floor(length / 3))

const plain = (name: string) => name.toLowerCase().replace(/[^a-z0-9]/g, '')
