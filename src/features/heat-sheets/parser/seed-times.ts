/** Parses seeds as numbers, for estimating the duration of a heat. */

const SEED = /^[XJ]{0,2}(?:(\d{1,2}):)?(?:(\d{1,2}):)?(\d{1,3})[.,](\d{1,2})/i

/** Reads a seed as seconds: `1:05.32`, `X3:17.40Y`, `03:04,40`; null for one without a time. */
export function secondsOf(seed: string | undefined): number | null {
  const found = SEED.exec(seed ?? '')
  if (!found) return null
  const [, first, second, seconds = '', part = ''] = found
  const minutes = second === undefined ? Number(first ?? 0) : Number(first) * 60 + Number(second)
  return minutes * 60 + Number(`${seconds}.${part}`)
}

/** Reads a clock, `HH:MM`, as minutes of the day. */
export function minutesOf(clock: string): number {
  const [hours = 0, minutes = 0] = clock.split(':').map(Number)
  return hours * 60 + minutes
}

/** Formats minutes of the day as a clock. */
export function clockOf(minutes: number): string {
  const [hours, rest] = [Math.floor(minutes / 60), Math.floor(minutes % 60)]
  return `${String(hours).padStart(2, '0')}:${String(rest).padStart(2, '0')}`
}
