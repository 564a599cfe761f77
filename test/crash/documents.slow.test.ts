/** `kill -9` of a server that stores, replaces and deletes documents. `DOCUMENT_KILLS=300` kills it so often. */
import { expect, it } from 'vitest'
import { scaled } from '../support/time-limits.ts'
import { crashDocuments } from './documents.ts'
import { chosenSeed } from './random.ts'

const KILLS = Number(process.env.DOCUMENT_KILLS ?? 8)

it(`each document is whole or absent after each of ${KILLS} kills, and none is there twice`, {
  timeout: scaled(120_000 + 12_000 * KILLS),
}, async () => {
  const seed = chosenSeed()
  console.log(
    `CRASH_SEED=${seed} DOCUMENT_KILLS=${KILLS} npx vitest run --project slow-node test/crash/documents.slow.test.ts`,
  )
  const report = await crashDocuments({ seed, kills: KILLS })
  console.log(JSON.stringify(report))
  expect(report.faults).toEqual([])
  // It was a real run: documents were stored, most of them in place of others.
  expect(report.jobs).toBeGreaterThanOrEqual(4)
  expect(report.versions).toBeGreaterThanOrEqual(12)
})
