import { expect, it } from 'vitest'
import { yieldRoundRobin } from '../../../../src/features/rag/search/round-robin.ts'

it('searches that yield go on one in each iteration of the event loop, round-robin', async () => {
  let round = 0
  let on = true
  const count = () => {
    round++
    if (on) setImmediate(count)
  }
  setImmediate(count)
  const steps: { search: number; round: number }[] = []
  const search = async (number: number) => {
    for (let step = 0; step < 4; step++) {
      await yieldRoundRobin()
      steps.push({ search: number, round })
    }
  }
  await Promise.all([search(1), search(2), search(3)])
  on = false
  expect(steps.map(({ search: number }) => number)).toEqual([1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3])
  expect(new Set(steps.map((step) => step.round)).size).toBe(steps.length)
})
