import { expect, it } from 'vitest'
import { startServer } from './harness.ts'
import { type Passed, passThrough } from './slices.ts'

const MB = 2 ** 20

async function pass(items: number): Promise<Passed> {
  // A small nursery, so that the peak tells what is kept rather than what is not collected yet.
  await using server = await startServer({ env: { LOG_LEVEL: 'error', NODE_OPTIONS: '--max-semi-space-size=4' } })
  return await passThrough(server, { items, sliceBytes: 8 * MB, text: 1_500 })
}

it('60,000 items pass through slices in the memory that 20,000 need', { timeout: 300_000 }, async () => {
  // Enough for the database's cache to be full.
  const few = await pass(20_000)
  const many = await pass(60_000)
  expect(many.slices).toBeGreaterThan(10)
  const [more, through] = [many.peakBytes - few.peakBytes, many.bytes - few.bytes]
  console.log(
    `${(more / MB).toFixed(0)} MB more at the peak (${(many.peakBytes / MB).toFixed(0)} MB) for ${(through / MB).toFixed(0)} MB more items`,
  )
  expect(more).toBeLessThan(through / 2)
})
