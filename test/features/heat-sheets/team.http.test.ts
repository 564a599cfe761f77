/** Everybody of a team: a result and a link each, by the name or code that sheets print. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { errorOf, extract, formOf, post, resultsOf, statusOf, toTheEnd } from '../../support/batches.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { heatSheet, OTHER, SWIMMER } from '../../support/sheets.ts'

const TEAM = [SWIMMER, 'Dot Sluice']

let server: TestServer
beforeAll(async () => {
  server = await startServer({})
})
afterAll(() => server[Symbol.asyncDispose]())

async function read(team: string, meet: string) {
  const pdfs = [
    { name: 'one.pdf', bytes: await heatSheet({ meet, pages: 2 }) },
    { name: 'two.pdf', bytes: await heatSheet({ meet, pages: 1, firstEvent: 7 }) },
  ]
  const accepted = await extract(server, { team, pdfs })
  const follower = await toTheEnd(server, accepted)
  return { ...accepted, follower, merged: await resultsOf(server, accepted.batchId) }
}

it('finds them in every document, each with events, a count and a link of their own', async () => {
  const { merged, batchId, follower } = await read('mill', 'Team Open')
  expect(merged).toMatchObject({
    swimmerName: 'mill',
    team: 'mill',
    swimmers: TEAM.map((swimmerName) => ({ swimmerName, totalEvents: 3 })),
    totalEvents: 6,
    warnings: [],
  })
  expect(new Set(merged.events.map(({ team }) => team))).toEqual(new Set(['MILL']))
  const [first] = merged.sources
  expect(first?.swimmers?.map(({ swimmerName, eventCount }) => [swimmerName, eventCount])).toEqual(
    TEAM.map((name) => [name, 2]),
  )
  for (const { swimmerName, resultCode } of first?.swimmers ?? []) {
    const page = await (await server.fetch(`/results/${resultCode}`)).text()
    for (const name of [...TEAM, OTHER]) expect(page.includes(name)).toBe(name === swimmerName)
  }
  expect(follower.received[0]?.data).toMatchObject({ swimmerName: 'mill', team: 'mill' })
  const status = await server.fetch(`/api/batch/${batchId}`)
  expect(await status.json()).toMatchObject({ batch: { swimmerName: 'mill', team: 'mill' } })
  const calendar = await (await server.fetch(`/api/batch/${batchId}/calendar.ics`)).text()
  expect(calendar.match(/BEGIN:VEVENT/g)).toHaveLength(6)
})

it('says which teams there are where nobody is of the one asked for, and shares that alone', async () => {
  const { merged } = await read('Milk', 'Other Open')
  expect(merged).toMatchObject({ swimmerName: 'Milk', team: 'Milk', swimmers: [], totalEvents: 0 })
  expect(merged.warnings[0]).toContain("No swimmer of the team 'Milk' is on this sheet; it prints 'MILL'.")
  const page = await (await server.fetch(`/results/${merged.sources[0]?.resultCode}`)).text()
  expect(page).toContain('No event of Milk was found')
  expect(page).not.toContain('MILL')
})

it('does not answer for one of them who is asked for by name', async () => {
  const { batchId, merged } = await read('MILL', 'By Name Open')
  const pdfs = [{ name: 'one.pdf', bytes: await heatSheet({ meet: 'By Name Open', pages: 2 }) }]
  const alone = await extract(server, { swimmer: SWIMMER, pdfs })
  await toTheEnd(server, alone)
  const { jobs } = await statusOf(server, alone.batchId)
  expect(jobs[0]).toMatchObject({ cached: false })
  const { sources, events } = await resultsOf(server, alone.batchId)
  expect(events.map(({ eventNumber }) => eventNumber)).toEqual([1, 2])
  expect(sources[0]?.resultCode).not.toBe(merged.sources[0]?.swimmers?.[0]?.resultCode)
  expect(batchId).not.toBe(alone.batchId)
})

describe('a form is refused', () => {
  const pdfs = [{ name: 'a.pdf', bytes: '%PDF-1.7' }]
  it.each([
    ['with a team and a swimmer', { team: 'MILL', swimmer: SWIMMER, pdfs }, 'INVALID_REQUEST', 'not both'],
    ['with a team of no letters', { team: '-?-', pdfs }, 'MISSING_SWIMMER', 'letters'],
    ['with too long a team', { team: 'a'.repeat(201), pdfs }, 'INVALID_REQUEST', '200'],
  ])('%s', async (_, parts, error, message) => {
    expect(await errorOf(await post(server, formOf(parts)))).toMatchObject({
      status: 400,
      error,
      field: 'team',
      message: expect.stringContaining(message),
    })
  })

  it('with several teams', async () => {
    const form = formOf({ team: 'MILL', pdfs })
    form.append('team', 'POND')
    expect(await errorOf(await post(server, form))).toMatchObject({ status: 400, field: 'team' })
  })
})

it('is asked for natively as well', async () => {
  const made = await server.fetch('/api/batch', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      operation: 'heat-sheet',
      input: { team: 'MILL' },
      items: [{ url: 'https://example.com/heats.pdf' }],
      options: { runAt: '2100-01-01T00:00:00Z' },
    }),
  })
  const { batchId } = await made.json()
  expect([made.status, await (await server.fetch(`/api/batch/${batchId}`)).json()]).toMatchObject([
    202,
    { batch: { swimmerName: 'MILL', team: 'MILL' } },
  ])
})
