/** A document whose reader has other owners waiting. */
import { expect, it } from 'vitest'
import parseTask from '../../../src/features/heat-sheets/parse-task.ts'
import { heavyPdf } from '../../support/heavy-sheets.ts'

const PAGES = 30

/** Reads it. @returns the page at which the next stretch begins, and how often it was asked whether others wait */
async function read(isWaiting: boolean) {
  let asked = 0
  const pdf = heavyPdf(PAGES, 150_000, 'Heavy')
  const answer = await parseTask(
    { pdf, from: { page: 2, letters: 0 }, most: { pages: PAGES, ms: 1_000_000 } },
    {
      progress: () => {},
      othersWait: () => {
        asked++
        return isWaiting
      },
    },
  )
  return { next: Number(Reflect.get(Object(answer), 'next')), asked }
}

it('is read in short stretches, each of a page at least; and on to its end where none waits', async () => {
  const waiting = await read(true)
  expect(waiting.next).toBeGreaterThan(2)
  expect(waiting.next).toBeLessThan(PAGES)
  expect(waiting.asked).toBe(1)
  const alone = await read(false)
  expect(alone.next).toBe(PAGES + 1)
  expect(alone.asked).toBeGreaterThan(1)
})
