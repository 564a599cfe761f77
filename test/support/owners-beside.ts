/**
 * Times of owners by themselves and beside a hostile one, in turns: what else the machine does then falls on both, and what happens once on one
 * pair of several.
 */

/** Pairs of rounds. Odd, so that their median is one that was measured. */
const PAIRS = 5

/** Times of one comparison, in milliseconds: the medians over all rounds of the 95th percentiles. */
export interface Comparison {
  readonly aloneMs: number
  readonly besideMs: number
  /** The median over all pairs of how many times longer it took beside. */
  readonly ratio: number
}

/** The work that is timed, and what it is timed beside. */
export interface Sides {
  /** Does one round of work. @returns how long each piece of it took, in milliseconds */
  times(round: string): Promise<readonly number[]>
  /** Lets the hostile owner begin. Resolves once it has taken what it can get. @returns how it is ended, and seen not to have ended before */
  attack(round: number): Promise<() => Promise<void>>
}

/** The 95th percentile. */
export function p95(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.ceil(0.95 * times.length) - 1] ?? Number.NaN
}

/** Times rounds alone and beside, one after the other, and prints what came of it. */
export async function compareSides(what: string, { times, attack }: Sides): Promise<Comparison> {
  await times('warm')
  const pairs: { alone: number; beside: number }[] = []
  for (let round = 0; round < PAIRS; round++) {
    const alone = p95(await times(`alone ${round}`))
    const end = await attack(round)
    const beside = p95(await times(`beside ${round}`))
    await end()
    pairs.push({ alone, beside })
  }
  const aloneMs = median(pairs.map(({ alone }) => alone))
  const besideMs = median(pairs.map(({ beside }) => beside))
  const ratio = median(pairs.map(({ alone, beside }) => beside / alone))
  const each = pairs.map(({ alone, beside }) => `${Math.round(alone)}/${Math.round(beside)}`).join(' ')
  console.log(
    `${what}: p95 ${Math.round(aloneMs)} ms alone, ${Math.round(besideMs)} ms beside: ${ratio.toFixed(2)} times (${each})`,
  )
  return { aloneMs, besideMs, ratio }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
