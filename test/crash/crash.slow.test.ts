/** `kill -9` of a real server at random instants, again and again, while clients go on submitting. `CRASH_KILLS=300` kills it so often. */
import { expect, it } from 'vitest'
import { scaled } from '../support/time-limits.ts'
import { crash } from './crash.ts'
import { chosenSeed } from './random.ts'

const KILLS = Number(process.env.CRASH_KILLS ?? 12)

it(`keeps every promise over ${KILLS} kills`, { timeout: scaled(120_000 + 24_000 * KILLS) }, async () => {
  const seed = chosenSeed()
  console.log(`CRASH_SEED=${seed} node_modules/.bin/vitest run test/crash/crash.slow.test.ts`)
  const report = await crash({ seed, enough: (kills) => kills >= KILLS })
  console.log(JSON.stringify(report))
  expect(report.faults).toEqual([])
  // It was a real run: work was under way when the server died, and answers were lost.
  expect(report.kills).toBeGreaterThanOrEqual(KILLS)
  expect(report.takenBack).toBeGreaterThan(0)
  expect(report.lostAnswers).toBeGreaterThan(0)
  expect(report.jobs).toBeGreaterThan(100)
})
