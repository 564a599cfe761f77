import { describe, expect, it } from 'vitest'
import { streamOf } from '../../src/formats/streams.ts'

describe('a stream of a generator', () => {
  /** Counts to three; what happens to it goes into `log`. */
  async function* count(log: string[]) {
    try {
      for (const n of [1, 2, 3]) {
        log.push(`made ${n}`)
        yield n
      }
    } finally {
      log.push('ended')
    }
  }

  it('gives what the generator yields, and ends with it', async () => {
    const seen: number[] = []
    for await (const n of streamOf(count([]))) seen.push(n)
    expect(seen).toEqual([1, 2, 3])
  })

  it('asks for nothing that is not read, and ends the generator when it is cancelled', async () => {
    const log: string[] = []
    const reader = streamOf(count(log)).getReader()
    await new Promise((resolve) => setTimeout(resolve, 0))
    expect(log).toEqual([])
    expect(await reader.read()).toEqual({ done: false, value: 1 })
    await reader.cancel()
    expect(log).toEqual(['made 1', 'ended'])
  })

  it('fails with what the generator throws', async () => {
    const fault = new RangeError('out of numbers')
    async function* failing() {
      yield 1
      throw fault
    }
    const reader = streamOf(failing()).getReader()
    await reader.read()
    await expect(reader.read()).rejects.toBe(fault)
  })
})
