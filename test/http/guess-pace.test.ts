/** How fast public codes can be guessed from one address, and who waits for whom. */
import { expect, it } from 'vitest'
import { GuessPace } from '../../src/http/response/guess-pace.ts'
import { turnableClock } from '../support/fixture.ts'

it('lets ten look-ups a second through that find nothing, and the others wait', async () => {
  const clock = turnableClock()
  const pace = new GuessPace()
  const entered: number[] = []
  const all = Array.from({ length: 30 }, async () => {
    if ((await pace.enter('a', clock)) !== null) entered.push(clock.now())
  })
  for (const second of [0, 1, 2]) {
    while (entered.length < (second + 1) * 10) await new Promise((resolve) => setTimeout(resolve, 5))
    // Time stands still: nobody else comes.
    await new Promise((resolve) => setTimeout(resolve, 160))
    expect(entered).toHaveLength((second + 1) * 10)
    clock.advance(1_000)
  }
  await Promise.all(all)
  // Of another address nothing was counted.
  expect(await pace.enter('b', clock)).not.toBeNull()
})

it('counts nothing for those that find something', async () => {
  const clock = turnableClock()
  const pace = new GuessPace()
  for (let time = 0; time < 100; time++) (await pace.enter('a', clock))?.()
  for (let time = 0; time < 10; time++) expect(await pace.enter('a', clock)).not.toBeNull()
})

it('lets nobody wait for longer than 15 seconds, and no more than 200 at once', async () => {
  const clock = turnableClock()
  const pace = new GuessPace()
  for (let time = 0; time < 10; time++) await pace.enter('a', clock)
  const waiting = Array.from({ length: 200 }, () => pace.enter('a', clock))
  expect(await pace.enter('a', clock)).toBeNull()
  clock.advance(15_000)
  const ended = await Promise.all(waiting)
  expect(ended.filter((takeBack) => takeBack !== null).length).toBeLessThanOrEqual(10)
})
