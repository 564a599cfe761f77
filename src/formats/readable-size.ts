/** Sizes as people read them. */

/** Writes a number of bytes in the largest unit that fits, rounded down to one decimal: `1.4 MB`. */
export function readableSize(bytes: number): string {
  const units: readonly [string, number][] = [
    ['GB', 2 ** 30],
    ['MB', 2 ** 20],
    ['KB', 2 ** 10],
  ]
  for (const [unit, size] of units) {
    if (bytes >= size) return `${Math.floor((bytes / size) * 10) / 10} ${unit}`
  }
  return `${bytes} bytes`
}
