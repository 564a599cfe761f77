/** What every Compute must do with the tasks of compute-tasks.ts. Names no runtime. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MillraceError } from '../../src/errors.ts'
import type { Compute } from '../../src/ports.ts'

/** A Compute to try, and how to be rid of it. */
export interface ComputeUnderTest {
  readonly compute: Compute
  /** Tasks it runs at once. */
  readonly places: number
  dispose?(): Promise<void>
}

const UNKNOWN = { name: 'MillraceError', code: 'UNKNOWN' }

/** Runs the suite against what `make` gives. */
export function computeContract(name: string, make: () => ComputeUnderTest): void {
  describe(`${name} as a Compute`, () => {
    let made: ComputeUnderTest
    beforeAll(() => {
      made = make()
    })
    afterAll(() => made.dispose?.())
    values(() => made.compute)
    faults(() => made.compute)
    turns(() => made)
  })
}

function values(compute: () => Compute): void {
  it('gives input and output over as copies', async () => {
    const value = { text: 'ž', list: [1, 2n, null], date: new Date(0), bytes: Uint8Array.of(1, 2) }
    const given = await compute().run('echo', value)
    expect(given).toEqual(value)
    expect(given).not.toBe(value)
    expect(await compute().run('echo', undefined)).toBeUndefined()
  })

  it('moves the buffers of `transfer`', async () => {
    const bytes = new Uint8Array(1_000).fill(7)
    const result = await compute().run('echo', bytes, { transfer: [bytes.buffer] })
    expect(result).toEqual(new Uint8Array(1_000).fill(7))
    expect(bytes.byteLength).toBe(0)
  })

  it('tells progress in order, all of it before the result and none after', async () => {
    const seen: unknown[] = []
    expect(await compute().run('count', 500, { onProgress: (value) => seen.push(value) })).toBe('counted')
    expect(seen).toEqual(Array.from({ length: 500 }, (_, i) => i + 1))
    await compute().run('lateProgress', null, { onProgress: (value) => seen.push(value) })
    await compute().run('sleep', 150)
    expect(seen).toHaveLength(500)
  })
}

function faults(compute: () => Compute): void {
  it('fails as the task threw, with code and message', async () => {
    const error = await compute()
      .run('noText', null)
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(MillraceError)
    expect(error).toMatchObject({ code: 'NO_TEXT', message: 'This PDF holds pictures only.', status: 422 })
  })

  it.each([
    ['bug', 'x is not a function'],
    ['oddThrow', 'a string'],
    ['foreignCode', 'no such file'],
    ['unloadable', 'the module is broken'],
  ])('says nothing of a fault of ours (%s) but in the cause', async (task, cause) => {
    await expect(compute().run(task, null)).rejects.toMatchObject({
      ...UNKNOWN,
      message: 'The task failed unexpectedly.',
      cause: { message: cause },
    })
  })

  it('tells of a task that is not there, and of what cannot be copied', async () => {
    await expect(compute().run('toString', null)).rejects.toMatchObject({ ...UNKNOWN, message: /no task "toString"/ })
    await expect(compute().run('echo', () => {})).rejects.toThrow(/could not be cloned/)
    await expect(compute().run('uncloneable', null)).rejects.toMatchObject(UNKNOWN)
    expect(await compute().run('echo', 1)).toBe(1)
  })

  it('fails with what `onProgress` throws', async () => {
    const onProgress = () => {
      throw new Error('listener')
    }
    await expect(compute().run('count', 3, { onProgress })).rejects.toMatchObject({ cause: { message: 'listener' } })
  })
}

function turns(made: () => ComputeUnderTest): void {
  it('does work in turn, as much at once as it has places, and goes on after what failed or was called off', async () => {
    let now = 0
    let most = 0
    const order: number[] = []
    const work = (i: number) => async () => {
      most = Math.max(most, ++now)
      await new Promise((resolve) => setTimeout(resolve, 5))
      now--
      order.push(i)
      if (i % 5 === 4) throw new Error('no good')
      return made().compute.run('echo', i)
    }
    const stop = new AbortController()
    const all = Array.from({ length: 20 }, (_, i) =>
      made().compute.withSlot(work(i), i === 19 ? { signal: stop.signal } : {}),
    )
    stop.abort()
    const outcomes = await Promise.allSettled(all)
    expect(most).toBe(made().places)
    expect(order.sort((a, b) => a - b)).toEqual(Array.from({ length: 19 }, (_, i) => i))
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(4)
    await expect(all[19]).rejects.toMatchObject({ code: 'CANCELLED' })
  })

  it('ends at an abort at once, and does no further step', async () => {
    const stop = new AbortController()
    let last: unknown = 0
    const run = made().compute.run('steps', 10_000, {
      signal: stop.signal,
      onProgress: (value) => {
        last = value
        if (value === 3) stop.abort()
      },
    })
    await expect(run).rejects.toMatchObject({ name: 'MillraceError', code: 'CANCELLED' })
    const at = last
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(last).toBe(at)
    await expect(made().compute.run('echo', 1, { signal: stop.signal })).rejects.toMatchObject({ code: 'CANCELLED' })
    await expect(made().compute.run('sleep', 60_000, { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
      code: 'CANCELLED',
    })
  })
}
