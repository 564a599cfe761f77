/** Time limits of probes, which grow with the slowness of the machine, measured once at the start of the run. */
import { measureCpuSlowness, measureSlowness } from '../support/machine-speed.ts'

const slowness = measureSlowness()
const cpuSlowness = measureCpuSlowness()

/** @returns the limit on this machine of one on a quiet machine, in milliseconds */
export const scaled = (ms: number) => Math.round(ms * slowness)

/** Likewise of CPU time, of which a busy machine takes hardly more. */
export const scaledCpu = (ms: number) => Math.round(ms * cpuSlowness)
