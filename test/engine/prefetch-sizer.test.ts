/** The number of jobs that a worker claims before it has slots for them. */
import { describe, expect, it } from 'vitest'
import { PrefetchSizer } from '../../src/engine/worker/prefetch.ts'

/** A sizer of a worker of so many slots that has seen jobs and commits of such durations. */
function sizer(slots: number, jobMs: number, commitMs: number): PrefetchSizer {
  const made = new PrefetchSizer(slots)
  for (let i = 0; i < 1_000; i++) {
    made.note(jobMs)
    made.noteCommit(commitMs)
  }
  return made
}

describe('the prefetch', () => {
  it('is empty while nothing is known of the jobs, however long commits take', () => {
    const made = new PrefetchSizer(50)
    for (let i = 0; i < 100; i++) made.noteCommit(20)
    expect(made.jobs).toBe(0)
    made.note(5)
    expect(made.jobs).toBeGreaterThan(0)
    made.reset()
    expect(made.jobs).toBe(0)
  })

  it('has as many jobs as slots turn over while outcomes are written', () => {
    expect(sizer(50, 20, 10).jobs).toBe(25)
    expect(sizer(50, 100, 10).jobs).toBe(5)
    expect(sizer(50, 20, 0).jobs).toBe(0)
  })

  it('has none of jobs that take seconds, also where the storage is slow', () => {
    expect(sizer(8, 5_000, 60_000).jobs).toBe(0)
  })

  it('is bounded where jobs are over at once', () => {
    expect(sizer(50, 0, 10).jobs).toBe(300)
  })
})
