/** Converts local times by the runtime's IANA time zone database. */

const DAY_MS = 24 * 60 * 60 * 1_000

/** Returns true for a time zone that this runtime knows: `America/New_York`. Offsets (`+02:00`) are none. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name })
    return /^[A-Za-z]/.test(name)
  } catch {
    return false
  }
}

/** Returns the offset of a zone from UTC at an instant, in milliseconds. */
function offsetAt(format: Intl.DateTimeFormat, instant: number): number {
  const part = new Map(format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]))
  const of = (type: Intl.DateTimeFormatPartTypes) => part.get(type) ?? 0
  return Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second')) - instant
}

/**
 * Converts a local time of a zone to an instant.
 * @param local `YYYY-MM-DDTHH:MM`; a time that is skipped in spring is the one an hour later, of two in autumn it is the first
 * @returns milliseconds since the epoch
 */
export function instantOf(local: string, timeZone: string): number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  const asUtc = Date.parse(`${local}:00Z`)
  // Offsets change at most once within two days, so the one before or the one after applies.
  const instants = [-DAY_MS, DAY_MS].map((days) => asUtc - offsetAt(format, asUtc + days))
  return instants.find((one) => one + offsetAt(format, one) === asUtc) ?? instants[0] ?? asUtc
}
