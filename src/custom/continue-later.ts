/** The value that a run returns so that its job continues in a fresh run. */

const CONTINUE: unique symbol = Symbol.for('millrace.continue')

/** Marks a job that continues later. Made by `ctx.continueLater` alone; a run returns it unchanged. */
export interface ContinueLater {
  readonly [CONTINUE]: true
}

export const CONTINUED: ContinueLater = Object.freeze({ [CONTINUE]: true as const })

/** Recognizes what `ctx.continueLater` gave, whichever copy of this module made it. */
export const isContinued = (value: unknown): value is ContinueLater =>
  typeof value === 'object' && value !== null && CONTINUE in value
