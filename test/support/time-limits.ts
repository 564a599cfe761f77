/** Limits on waiting, for what should have come long ago. They grow with the slowness of the machine, measured once a run (vitest.config.ts). */
import { inject } from 'vitest'

declare module 'vitest' {
  export interface ProvidedContext {
    /** How many times slower than a quiet machine this one is. */
    slowness: number
  }
}

/**
 * @param ms the limit on a quiet machine, in milliseconds
 * @returns the limit on this one
 */
export function scaled(ms: number): number {
  return Math.round(ms * inject('slowness'))
}
