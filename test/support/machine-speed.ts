/** Speed of the machine that tests run on, of which their time limits are multiples. */
import { spawnSync } from 'node:child_process'

/** Time that Node takes from start to end on a core of its own, in milliseconds. */
const QUIET_START_MS = 60
const SAMPLES = 3
/** CPU time of {@link parseOnce} on the machine that limits of CPU time were chosen on, in milliseconds. */
const PARSE_CPU_MS = 20
const PARSE_SAMPLES = 12

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

const PARSED = `[${'{"a":[1,"b"]},'.repeat(30_000)}0]`

function parseOnce(): number {
  const before = process.threadCpuUsage()
  for (let i = 0; i < 3; i++) JSON.stringify(JSON.parse(PARSED))
  const { user, system } = process.threadCpuUsage(before)
  return (user + system) / 1_000
}

/**
 * Measures how many times more CPU time the same work takes here than where limits of CPU time were chosen. How busy the machine is counts
 * little in it.
 * @returns at least 1
 */
export function measureCpuSlowness(): number {
  return Math.max(1, Math.min(...Array.from({ length: PARSE_SAMPLES }, parseOnce)) / PARSE_CPU_MS)
}
