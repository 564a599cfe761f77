/**
 * Scores how well an activity suits a child: points, and a reason for each. In hundredths, so that sums are exact.
 *
 * Base 50. Age: no range +10, in the middle 60 % of the range +20, elsewhere inside (ends included) +10. Weather: bad or good +5. Group: a
 * social activity with more than one +10, a group of one +5. Adaptations asked for and present +5. Not done in the last seven days +10. Each
 * earlier participation −5, at most −20. The sum is clamped to 0–100.
 *
 * Two more where an activity states them. `setting`: outdoors in bad weather −10 in place of the weather's points; outdoors in good
 * weather +5 beside them. `group_size`: a group outside it −10 in place of the group's points; inside it +5 beside them.
 *
 * A range that is open above has no middle: inside it counts +10. One that is open below begins at birth.
 */
import type { AgeRange, GroupSize, Setting } from './activity-schemas.ts'

/** Fields of an activity that its score depends on. */
export interface Candidate {
  readonly id: string
  readonly name: string
  readonly activity_type: string
  readonly age_range: AgeRange | null
  readonly setting: Setting | null
  readonly group_size: GroupSize | null
  readonly has_adaptations: boolean
}

/** Facts that a request states of the occasion; the same for all its children. */
export interface Occasion {
  readonly ageMonths: number | null
  readonly weather: string | null
  readonly groupSize: number | null
  readonly specialNeeds: boolean
}

/** Earlier participations of a child in an activity. */
export interface History {
  readonly times: number
  /** Milliseconds since the epoch. */
  readonly lastAt: number
}

/** Points with the reasons for them. */
export interface Points {
  readonly points: number
  readonly reasons: readonly string[]
}

const NOTHING: Points = { points: 0, reasons: [] }
const FRESH_AFTER_MS = 7 * 24 * 60 * 60 * 1_000
const BAD_WEATHER = new Set(['rainy', 'stormy', 'cold'])
const GOOD_WEATHER = new Set(['sunny', 'warm', 'clear'])

/** Returns true where an age is within a range, ends included; an open end includes any age. */
export function holdsAge(range: AgeRange | null, months: number): boolean {
  return (range?.min_months ?? 0) <= months && months <= (range?.max_months ?? Number.POSITIVE_INFINITY)
}

/** Computes the part of an activity's score that the occasion decides, which is the same for all children. */
export function scoreOccasion(activity: Candidate, occasion: Occasion): Points {
  const parts = [
    ageFit(activity.age_range, occasion.ageMonths),
    weatherFit(activity.setting, occasion.weather),
    groupFit(activity, occasion.groupSize),
    occasion.specialNeeds && activity.has_adaptations
      ? { points: 5, reasons: ['Has special needs adaptations'] }
      : NOTHING,
  ]
  return {
    points: parts.reduce((sum, { points }) => sum + points, 50),
    reasons: parts.flatMap(({ reasons }) => reasons),
  }
}

const isFresh = (history: History | undefined, now: number) =>
  history === undefined || now - history.lastAt > FRESH_AFTER_MS

/** Computes the points that a child's own history adds, in hundredths. */
export function historyPoints(history: History | undefined, now: number): number {
  return (isFresh(history, now) ? 10 : 0) - Math.min(20, 5 * (history?.times ?? 0))
}

/** Words the reasons for those points. */
export function historyReasons(history: History | undefined, now: number): string[] {
  const fresh = isFresh(history, now) ? 'Fresh activity suggestion' : 'Recently participated'
  return history === undefined ? [fresh] : [fresh, `Participated ${history.times} time(s) before`]
}

/** Converts hundredths to a score from 0 to 1. */
export function toScore(points: number): number {
  return Math.min(100, Math.max(0, points)) / 100
}

function ageFit(range: AgeRange | null, months: number | null): Points {
  if (range === null || (range.min_months === null && range.max_months === null)) {
    return { points: 10, reasons: ['Suitable for all ages'] }
  }
  if (months === null) return { points: 0, reasons: ['Age not specified'] }
  if (!holdsAge(range, months)) return { points: 0, reasons: ['Age at boundary of range'] }
  if (range.max_months === null) return { points: 10, reasons: ['Good age match'] }
  const [min, max] = [range.min_months ?? 0, range.max_months]
  const edge = Math.min(months - min, max - months)
  return 5 * edge >= max - min
    ? { points: 20, reasons: ['Perfect age match'] }
    : { points: 10, reasons: ['Good age match'] }
}

function weatherFit(setting: Setting | null, weather: string | null): Points {
  const word = weather?.trim().toLowerCase() ?? ''
  if (BAD_WEATHER.has(word)) {
    return setting === 'outdoor'
      ? { points: -10, reasons: [`Outdoor activity in ${word} weather`] }
      : { points: 5, reasons: ['Indoor activity available'] }
  }
  if (!GOOD_WEATHER.has(word)) return NOTHING
  const any = 'Great for any environment'
  return setting === 'outdoor' ? { points: 10, reasons: [any, 'Good to be outdoors'] } : { points: 5, reasons: [any] }
}

function groupFit({ activity_type: type, group_size: size }: Candidate, people: number | null): Points {
  if (people === null) return NOTHING
  const [least, most] = [size?.min ?? 1, size?.max ?? Number.POSITIVE_INFINITY]
  if (people < least || people > most) {
    return {
      points: -10,
      reasons: [`Meant for a group of ${size?.max == null ? `${least} or more` : `${least} to ${most}`}`],
    }
  }
  const stated = size === null ? NOTHING : { points: 5, reasons: [`Fits a group of ${people}`] }
  const usual =
    people === 1
      ? { points: 5, reasons: ['Suitable for individual activity'] }
      : type === 'social'
        ? { points: 10, reasons: ['Great for groups'] }
        : NOTHING
  return { points: usual.points + stated.points, reasons: [...usual.reasons, ...stated.reasons] }
}
