/** Times that a schedule is due at, by its cron expression and its time zone. */
import { Cron } from 'croner'
import { MillraceError } from '../../errors.ts'

/** An expression, and the time zone it is read in. */
export interface CronTimes {
  readonly cron: string
  readonly timezone: string
}

/** Five fields, or a nickname; a point in time, which the parser takes as well, is none of these. */
const SHAPE = /^(@\w+|\S+(\s+\S+){4})$/

const EXAMPLE = 'such as "0 8 * * 1-5" (at 8:00 from Monday to Friday) or "@daily"'

/**
 * Checks an expression and its time zone.
 * @throws MillraceError UNPROCESSABLE naming the field, with an example of what would be right
 */
export function checkCron({ cron, timezone }: CronTimes, now: number): void {
  if (!isTimezone(timezone)) {
    throw unprocessable(
      'timezone',
      `expected the IANA name of a time zone, such as "Europe/Berlin" or "UTC", not "${timezone}".`,
    )
  }
  if (!SHAPE.test(cron)) throw unprocessable('cron', `expected five fields, ${EXAMPLE}.`)
  let next: number | null
  try {
    next = nextTime({ cron, timezone }, now)
  } catch (error) {
    const reason = (error instanceof Error ? error.message : String(error)).replace(/^\w+: /, '').replace(/\.$/, '')
    throw unprocessable('cron', `${reason}. Expected five fields, ${EXAMPLE}.`)
  }
  if (next === null) throw unprocessable('cron', `there is no such day, ever. Expected five fields, ${EXAMPLE}.`)
}

/**
 * Finds when a schedule is due first after a time. Where clocks are turned forward over a time of day, it is due when they have been; a time of
 * day that comes twice counts once, and what is due every few minutes or hours goes on through both.
 * @returns milliseconds since the epoch; null where it never is
 */
export function nextTime(times: CronTimes, after: number): number | null {
  return nextTimes(times, after, 1)[0] ?? null
}

/** Finds the next times likewise; fewer where there are no more. */
export function nextTimes({ cron, timezone }: CronTimes, after: number, count: number): number[] {
  return new Cron(cron, { timezone, mode: '5-part' }).nextRuns(count, new Date(after)).map((time) => time.getTime())
}

function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

const unprocessable = (field: string, sentence: string) =>
  new MillraceError('UNPROCESSABLE', `${field}: ${sentence}`, { details: { field } })
