/** Days of events that a document does not date: none is made up, on any way out. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { extract, resultsOf, toTheEnd } from '../../support/batches.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { heatSheet, psychSheet, SWIMMER } from '../../support/sheets.ts'

const MEET = { meet: 'Millpond Open', date: '3/7/2031 to 3/9/2031' }

let server: TestServer
beforeAll(async () => {
  server = await startServer({})
})
afterAll(() => server[Symbol.asyncDispose]())

async function run(pdfs: readonly { name: string; bytes: Uint8Array }[], swimmer = SWIMMER) {
  const accepted = await extract(server, { swimmer, pdfs })
  await toTheEnd(server, accepted)
  return { batchId: accepted.batchId, merged: await resultsOf(server, accepted.batchId) }
}

describe('a psych sheet that names no session', () => {
  it("dates no event, and shows the meet's days and its warning on the page", async () => {
    const { batchId, merged } = await run([{ name: 'psych.pdf', bytes: await psychSheet({ ...MEET, pages: 2 }) }])
    expect(merged.events).toHaveLength(2)
    for (const event of merged.events) expect(event).not.toHaveProperty('sessionDate')
    expect(merged.sources).toMatchObject([
      { sessionDate: null, meetDateRange: { start: '2031-03-07', end: '2031-03-09' }, eventCount: 2 },
    ])
    expect(merged.warnings).toEqual([expect.stringMatching(/^psych\.pdf: .*7–9 March 2031/)])
    const text = await (await server.fetch(`/results/${merged.sources[0]?.resultCode}`)).text()
    expect(text).toContain('7–9 March 2031')
    expect(text).toContain('does not say on which day')
    expect(text).not.toContain('2031-03-07')
    const jobs = await server.fetch(`/api/batch/${batchId}/results?set=succeeded&format=ndjson`)
    expect(await jobs.text()).not.toMatch(/"sessionDate":"/)
  })

  it('is the second source of events that a heat sheet of the batch dates', async () => {
    const { merged } = await run([
      { name: 'psych.pdf', bytes: await psychSheet({ ...MEET, pages: 3 }) },
      { name: 'saturday.pdf', bytes: await heatSheet({ ...MEET, session: 'Saturday', pages: 2 }) },
      { name: 'other.pdf', bytes: await heatSheet({ meet: 'Weir Classic', date: '3/7/2031', firstEvent: 3 }) },
    ])
    expect(
      merged.events.map(({ eventNumber, sessionDate, source, otherSources }) => [
        eventNumber,
        sessionDate,
        source.filename,
        otherSources?.map(({ filename }) => filename),
      ]),
    ).toEqual([
      [3, '2031-03-07', 'other.pdf', undefined],
      [3, undefined, 'psych.pdf', undefined],
      [1, '2031-03-08', 'saturday.pdf', ['psych.pdf']],
      [2, '2031-03-08', 'saturday.pdf', ['psych.pdf']],
    ])
    expect(merged.totalEvents).toBe(4)
    expect(merged.events[2]).toMatchObject({ heatNumber: 1, lane: 3, heatStartTime: '09:05' })
    expect(merged.events[2]).not.toHaveProperty('rank')
  })
})
