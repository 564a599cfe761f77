/** Reasons that the rest of a batch is not run for. */
import { sql } from 'drizzle-orm'

/** Why the rest of a batch is not run. */
export type StopCode = 'CANCELLED' | 'BUDGET_EXCEEDED' | 'DEADLINE_EXCEEDED' | 'SUPERSEDED'

/** Error messages of stopped jobs, by stop code. */
export const STOP_MESSAGES: Readonly<Record<StopCode, string>> = {
  CANCELLED: 'The batch was cancelled.',
  BUDGET_EXCEEDED: 'The batch was cancelled because it exceeded its budget.',
  SUPERSEDED: 'A later create under the same debounce key took its place.',
  DEADLINE_EXCEEDED: 'The batch was not done by its deadline.',
}

const CANCELLING: readonly StopCode[] = ['CANCELLED', 'BUDGET_EXCEEDED', 'SUPERSEDED']

/** The codes under which jobs are cancelled rather than failed, as a list of SQL. */
export const CANCELLING_CODES = sql.raw(`(${CANCELLING.map((code) => `'${code}'`).join(', ')})`)

/** Returns true where jobs stopped for this reason are cancelled; under others they fail. */
export const cancels = (code: StopCode): boolean => CANCELLING.includes(code)

/** Returns true where an attempt was ended for such a reason. */
export const isStopCode = (reason: string): reason is StopCode => Object.hasOwn(STOP_MESSAGES, reason)
