import { expect, it } from 'vitest'
import { startServer } from '../../support/server.ts'
import { scaled } from '../../support/time-limits.ts'
import { type Passed, passThrough } from './slices.ts'

const MB = 2 ** 20

it('100,000 items pass through slices in the memory that 20,000 need', { timeout: scaled(300_000) }, async () => {
  // A small nursery, so that the peak tells what is kept rather than what is not collected yet.
  await using server = await startServer({ env: { LOG_LEVEL: 'error', NODE_OPTIONS: '--max-semi-space-size=4' } })
  const pass = (items: number): Promise<Passed> => passThrough(server, { items, sliceBytes: 8 * MB, text: 1_500 })
  // So many that the database's cache is full.
  await pass(30_000)
  const few = await pass(20_000)
  const many = await pass(100_000)
  expect(many.slices).toBeGreaterThan(15)
  const [more, through] = [many.peakBytes - few.peakBytes, many.bytes - few.bytes]
  console.log(
    `${(more / MB).toFixed(0)} MB more at the peak (${(many.peakBytes / MB).toFixed(0)} MB) for ${(through / MB).toFixed(0)} MB more items`,
  )
  expect(more).toBeLessThan(through / 2)
})
