/**
 * Damaged and hostile PDFs through the whole server: each fails alone, with a code that is documented, while a good one beside it is read; the
 * server's memory stays as it was. FUZZ_RUNS is the number of damaged documents, FUZZ_SEED repeats a run.
 */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allLayouts } from '../../demo/sheets.ts'
import { type Document, extract, statusOf, toTheEnd } from '../support/batches.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { heatSheet, lockedSheet, SWIMMER } from '../support/sheets.ts'
import { runs, SEED } from './chance.ts'
import { damaged, HOSTILE_PDFS } from './hostile-pdfs.ts'

const RUNS = runs(200)
const A_BATCH = 10
const FOREVER = { timeout: 3_600_000 }

/** What docs/heat-sheets.md says that a document can fail with. */
const CODES = ['INVALID_PDF', 'NO_TEXT', 'UNREADABLE_TEXT', 'NOT_A_HEAT_SHEET', 'UNRECOGNIZED_LAYOUT', 'TOO_LARGE']

let server: TestServer
beforeAll(async () => {
  console.log(`FUZZ_SEED=${SEED} FUZZ_RUNS=${RUNS}`)
  server = await startServer({ env: { LOG_LEVEL: 'warn' } })
})
afterAll(() => server[Symbol.asyncDispose]())

let batches = 0

/** Hands documents in, a good one last, and looks at what came of each. */
async function handIn(documents: readonly Document[]): Promise<void> {
  // A new one each time: one that was read before is not read again.
  const good = { name: 'good.pdf', bytes: await heatSheet({ meet: `Millpond Open ${++batches}` }) }
  const accepted = await extract(server, { swimmer: SWIMMER, pdfs: [...documents, good] })
  await toTheEnd(server, accepted)
  const { jobs } = await statusOf(server, accepted.batchId)
  expect(jobs.find(({ filename }) => filename === good.name)).toMatchObject({ status: 'completed', eventCount: 1 })
  for (const { filename, status, errorCode, error } of jobs) {
    if (status === 'completed') continue
    expect(CODES, `${filename}: ${error}`).toContain(errorCode)
    expect(String(error).length).toBeGreaterThan(10)
  }
}

/** Resident memory of the server alone, in MB. */
function residentMb(): number {
  return Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1024
}

describe('a document', () => {
  const names = Object.keys(HOSTILE_PDFS)
  it(`that lies (${names.length} ways) fails alone`, FOREVER, async () => {
    for (let at = 0; at < names.length; at += A_BATCH) {
      const documents = names.slice(at, at + A_BATCH).map((name) => ({ name, bytes: HOSTILE_PDFS[name]?.() ?? '' }))
      await handIn(documents)
    }
  })

  it('that is locked, or none, fails alone', async () => {
    await handIn([
      { name: 'locked.pdf', bytes: await lockedSheet() },
      { name: 'empty.pdf', bytes: '' },
      { name: 'page.pdf', bytes: '<!doctype html><p>%PDF-' },
      { name: 'nul.pdf', bytes: new Uint8Array(100_000) },
    ])
  })

  it(
    'that is damaged at random fails alone or is read, and the server holds no more than before',
    FOREVER,
    async () => {
      const sheets = (await allLayouts(7)).map(({ bytes }) => bytes)
      const before = residentMb()
      const property = fc.asyncProperty(fc.array(damaged(sheets), { minLength: A_BATCH, maxLength: A_BATCH }), (all) =>
        handIn(all.map((bytes, i) => ({ name: `${i}.pdf`, bytes }))),
      )
      // Not made smaller: each try is a batch of its own, and what failed is named.
      await fc.assert(property, { seed: SEED, numRuns: Math.ceil(RUNS / A_BATCH), endOnFailure: true })
      console.log(`resident: ${Math.round(before)} MB, then ${Math.round(residentMb())} MB`)
      expect(residentMb()).toBeLessThan(before + 100)
      expect(server.output).not.toContain('with an unexpected error')
    },
  )
})
