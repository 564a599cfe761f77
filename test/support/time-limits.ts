/** Limits on waiting, for what should have come long ago. They grow with the slowness of the machine, measured once a run (vitest.config.ts). */
import { inject } from 'vitest'

declare module 'vitest' {
  export interface ProvidedContext {
    /** How many times slower than a quiet machine this one is. */
    slowness: number
    /** How many times more CPU time the same work takes on this one. */
    cpuSlowness: number
  }
}

/**
 * @param ms the limit on a quiet machine, in milliseconds
 * @returns the limit on this one
 */
export function scaled(ms: number): number {
  return Math.round(ms * inject('slowness'))
}

/** Likewise of CPU time, of which a busy machine takes hardly more. */
export function scaledCpu(ms: number): number {
  return ms * inject('cpuSlowness')
}
