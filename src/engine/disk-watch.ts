/** Warnings of a disk that fills up, before it is full. */
import type { Disk, Log } from '../ports.ts'

/** Between two looks. */
const LOOK_EVERY_MS = 10_000
/** Between two warnings while space is low. */
const WARN_EVERY_MS = 10 * 60 * 1_000
const MB = 1_000_000

/**
 * Warns once when less than `lowBytes` is free, again every ten minutes while it is, and says when there is enough again.
 * @returns what a look does; to be called every so often
 */
export function createDiskWatch(disk: Disk, lowBytes: number, log: Log): () => Promise<void> {
  let warnedAt: number | null = null
  return async () => {
    const { freeBytes, totalBytes } = await disk.space()
    const sizes = { freeMb: Math.floor(freeBytes / MB), totalMb: Math.floor(totalBytes / MB) }
    if (freeBytes >= lowBytes) {
      if (warnedAt !== null) log.info({ event: 'disk.recovered', ...sizes }, 'there is enough disk space again')
      warnedAt = null
      return
    }
    if (warnedAt !== null && performance.now() - warnedAt < WARN_EVERY_MS) return
    warnedAt = performance.now()
    log.warn(
      { event: 'disk.low', ...sizes, lowMb: Math.floor(lowBytes / MB) },
      'disk space is low: when it is used up, creates are refused and finished jobs wait',
    )
  }
}

/** Looks now and every ten seconds until the returned function is called. What a look throws is logged. */
export function watchDisk(disk: Disk, lowBytes: number, log: Log): () => void {
  const look = createDiskWatch(disk, lowBytes, log)
  const run = () =>
    void look().catch((error: unknown) => log.warn({ event: 'disk.unknown', err: error }, 'disk space is not known'))
  run()
  const timer = setInterval(run, LOOK_EVERY_MS)
  return () => clearInterval(timer)
}
