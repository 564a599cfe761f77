import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    // Many tests watch real processes on a machine that others may be using; a second failure is no accident, and both are reported.
    retry: process.env.CI === undefined ? 0 : 1,
  },
})
