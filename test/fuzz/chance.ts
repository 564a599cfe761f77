/** How much is tried, and what is left to chance. */

/**
 * What a run of fuzzing is made from. `FUZZ_SEED` repeats one; without it every run here is another, and those of CI are the same, so that
 * what a change is told depends on the change.
 */
export const SEED = Number(
  process.env.FUZZ_SEED ?? (process.env.CI === undefined ? Math.floor(Math.random() * 2 ** 31) : 1),
)

/** How many are tried: `FUZZ_RUNS`, or so many. */
export const runs = (byDefault: number) => Number(process.env.FUZZ_RUNS ?? byDefault)
