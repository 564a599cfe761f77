/** Compute in a Worker. */
import { describe, expect, it, vi } from 'vitest'
import { createInlineCompute } from '../../src/drivers/compute-inline.ts'
import { IsolateMutex } from '../../src/drivers/compute-isolate-mutex.ts'
import type { Compute, ComputeTask } from '../../src/ports.ts'
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

  it('take turns by owner: one that has many waiting holds no other up, whichever invocation it waits in', async () => {
    const hostile = createInlineCompute(computeTasks)
    const order: string[] = []
    const all = Array.from({ length: 10 }, (_, i) =>
      hostile.withSlot(
        async () => {
          order.push(`hostile ${i}`)
          await pause(60)
        },
        { owner: 'hostile' },
      ),
    )
    for (const owner of ['good', 'better']) {
      const work = async () => void order.push(owner)
      all.push(createInlineCompute(computeTasks).withSlot(work, { owner }))
    }
    await Promise.all(all)
    expect(order).toHaveLength(12)
    // The first before them is the one that was at work when they came.
    expect(order.slice(1, 3).toSorted()).toEqual(['better', 'good'])
  })

  it('tell a task that another owner waits, and only then', async () => {
    const seen: unknown[] = []
    const asks: ComputeTask = async (_, { othersWait }) => {
      seen.push(othersWait?.())
      await pause(100)
      seen.push(othersWait?.())
    }
    const tasks = { asks: async () => asks }
    const one = createInlineCompute(tasks)
    const run = () => one.run('asks', null, { owner: 'one' })
    const first = one.withSlot(run, { owner: 'one' })
    const own = createInlineCompute(tasks).withSlot(async () => {}, { owner: 'one' })
    await first
    await own
    expect(seen.splice(0)).toEqual([false, false])
    // In the same invocation, and in another.
    for (const compute of [one, createInlineCompute(tasks)]) {
      const again = one.withSlot(run, { owner: 'one' })
      await pause(30)
      await Promise.all([again, compute.withSlot(async () => {}, { owner: 'two' })])
      expect(seen.splice(0)).toEqual([false, true])
    }
  })

  it('do not wait for one that waited and was ended', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const turn = new IsolateMutex()
    const { promise: held, resolve: release } = Promise.withResolvers<void>()
    const first = turn.take(() => held, { owner: 'one' })
    const isOver = new AbortController()
    const gone = turn.take(async () => {}, { owner: 'gone', signal: isOver.signal }).catch(() => {})
    expect(turn.othersWait('one')).toBe(true)
    // Nothing polls in between, as where the platform ended the invocation.
    vi.setSystemTime(Date.now() + 6_000)
    expect(turn.othersWait('one')).toBe(false)
    vi.useRealTimers()
    isOver.abort()
    release()
    await Promise.all([first, gone])
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
