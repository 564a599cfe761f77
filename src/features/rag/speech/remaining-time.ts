/** Times for people: how far a recording is transcribed, and about how long the rest takes. */

/** Formats a position in a recording. @example describeTime(3_725) // '1:02:05' */
export function describeTime(seconds: number): string {
  const all = Math.floor(seconds)
  const two = (value: number) => String(value).padStart(2, '0')
  const minutes = Math.floor(all / 60)
  return minutes < 60
    ? `${minutes}:${two(all % 60)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(all % 60)}`
}

/**
 * Estimates the time for the rest by the pace so far.
 * @returns the end of a sentence; empty before there is a pace
 */
export function estimateRemaining(done: { readonly seconds: number; readonly spentMs: number }, rest: number): string {
  if (done.seconds <= 0 || done.spentMs <= 0 || rest <= 0) return ''
  const seconds = (rest * done.spentMs) / 1_000 / done.seconds
  if (seconds < 60) return ', less than a minute left'
  const minutes = Math.round(seconds / 60)
  return `, about ${minutes} ${minutes === 1 ? 'minute' : 'minutes'} left`
}
