/** Compute in a Worker. */
import { describe, expect, it } from 'vitest'
import { createInlineCompute } from '../../src/drivers/compute-inline.ts'
import { IsolateMutex } from '../../src/drivers/compute-isolate-mutex.ts'
import type { Compute } from '../../src/ports.ts'
import { computeContract } from '../contracts/compute.ts'
import { computeTasks } from '../contracts/compute-tasks.ts'

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

computeContract('a Worker', () => ({ compute: createInlineCompute(computeTasks), places: 1 }))

describe('invocations of one isolate', () => {
  /** Works until it is told to end. */
  function begin(turn: Pick<Compute, 'withSlot'>, seen: string[], name: string, signal?: AbortSignal) {
    const { promise: ended, resolve: end } = Promise.withResolvers<void>()
    const work = async () => {
      seen.push(`${name} begins`)
      await ended
      seen.push(`${name} ends`)
    }
    return { end, done: turn.withSlot(work, signal === undefined ? {} : { signal }) }
  }

  it('work one after the other, whichever Compute they ask', async () => {
    const seen: string[] = []
    const one = begin(createInlineCompute(computeTasks), seen, 'one')
    const two = begin(createInlineCompute(computeTasks), seen, 'two')
    await pause(200)
    expect(seen).toEqual(['one begins'])
    one.end()
    two.end()
    await Promise.all([one.done, two.done])
    expect(seen).toEqual(['one begins', 'one ends', 'two begins', 'two ends'])
  })

  it('wait no longer when they are cancelled', async () => {
    const seen: string[] = []
    const one = begin(createInlineCompute(computeTasks), seen, 'one')
    const cancelling = new AbortController()
    const two = begin(createInlineCompute(computeTasks), seen, 'two', cancelling.signal)
    cancelling.abort()
    await expect(two.done).rejects.toMatchObject({ code: 'CANCELLED' })
    one.end()
    await one.done
    expect(seen).toEqual(['one begins', 'one ends'])
  })

  it('do not wait for one that was ended in the middle, but for one that takes long', async () => {
    const turn = new IsolateMutex(1_500)
    const asked = { withSlot: <T>(work: () => Promise<T>) => turn.take(work) }
    const seen: string[] = []
    const long = begin(asked, seen, 'long')
    const next = begin(asked, seen, 'next')
    await pause(2_000)
    expect(seen).toEqual(['long begins'])
    long.end()
    next.end()
    await next.done
    // What the platform ends never gets to its `finally`, and its timers are gone.
    const dead = new IsolateMutex(100)
    void dead.take(() => new Promise(() => {}))
    await dead.take(async () => seen.push('after'))
    expect(seen.at(-1)).toBe('after')
  })
})
