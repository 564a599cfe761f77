/** Speed of the machine that tests run on, of which their time limits are multiples. */
import { spawnSync } from 'node:child_process'

/** Time that Node takes from start to end on a core of its own, in milliseconds. */
const QUIET_START_MS = 60
const SAMPLES = 3

/**
 * Measures how many times slower than a quiet machine this one is now: starting a process needs what tests need, cores, memory and disk.
 * @returns at least 1
 */
export function measureSlowness(): number {
  const samples = Array.from({ length: SAMPLES }, () => {
    const began = performance.now()
    spawnSync(process.execPath, ['-e', '0'])
    return performance.now() - began
  })
  // The first one may have had to read Node from the disk.
  return Math.max(1, Math.min(...samples.slice(1)) / QUIET_START_MS)
}
