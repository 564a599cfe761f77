/** The same meet again: what changed since the last extraction of the same owner for the same swimmer. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { MeetChanges } from '../../../src/features/heat-sheets/schemas.ts'
import { errorOf, extract, toTheEnd } from '../../support/batches.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { heatSheet, type SheetOptions, SWIMMER } from '../../support/sheets.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer({})
})
afterAll(() => server[Symbol.asyncDispose]())

async function read(sheet: SheetOptions, whom: { swimmer?: string; team?: string } = { swimmer: SWIMMER }) {
  const accepted = await extract(server, { ...whom, pdfs: [{ name: 'sheet.pdf', bytes: await heatSheet(sheet) }] })
  await toTheEnd(server, accepted)
  const response = await server.fetch(`/api/batch/${accepted.batchId}/changes`)
  expect(response.status).toBe(200)
  return { ...accepted, response, changes: MeetChanges.parse(await response.json()) }
}

const told = ({ changes }: MeetChanges) =>
  changes.map(({ kind, swimmerName, eventNumber, fields }) => [kind, swimmerName, eventNumber, ...fields])

it('tells heats that moved, scratches and additions, and nothing of events that one side alone holds', async () => {
  const first = await read({ meet: 'Changing Open', pages: 3, scratched: [2] })
  expect(first.changes).toMatchObject({ comparedWith: [], changes: [], unchanged: 0, notCompared: 2 })
  const { changes, batchId, response } = await read({
    meet: 'CHANGING OPEN',
    pages: 4,
    secondHeat: true,
    scratched: [3],
  })
  expect(changes).toMatchObject({
    comparedWith: [{ batchId: first.batchId, meetName: 'CHANGING OPEN' }],
    unchanged: 0,
    notCompared: 1,
    status: 'completed',
  })
  expect(told(changes)).toEqual([
    ['changed', SWIMMER, 1, 'heatNumber'],
    ['added', SWIMMER, 2],
    ['scratched', SWIMMER, 3],
  ])
  expect(changes.changes[0]).toMatchObject({ before: { heatNumber: 1, lane: 3 }, after: { heatNumber: 2, lane: 3 } })
  const tag = response.headers.get('ETag') ?? ''
  const again = await server.fetch(`/api/batch/${batchId}/changes`, { headers: { 'If-None-Match': tag } })
  expect(again.status).toBe(304)
})

it('tells nothing where the sheet is the same, nor against another meet, year or swimmer', async () => {
  const sheet = { meet: 'Steady Open', pages: 2 }
  const first = await read(sheet)
  expect((await read(sheet)).changes).toMatchObject({ changes: [], unchanged: 2, notCompared: 0 })
  for (const other of [
    { ...sheet, meet: 'Steady Classic' },
    { ...sheet, date: '3/6/2032' },
  ]) {
    expect((await read(other)).changes.comparedWith).toEqual([])
  }
  expect((await read(sheet, { swimmer: 'Bo Reed' })).changes.comparedWith).toEqual([])
  await server.fetch(`/api/batch/${first.batchId}`, { method: 'DELETE' })
})

it('tells of everybody of a team, also of who is on the sheet no more', async () => {
  const team = { team: 'MILL' }
  await read({ meet: 'Team Changes', pages: 1 }, team)
  const { changes } = await read({ meet: 'Team Changes', pages: 1, scratched: [1] }, team)
  expect(told(changes)).toEqual([['scratched', SWIMMER, 1]])
  expect(changes.unchanged).toBe(1)
})

it('is there for heat sheets alone', async () => {
  const made = await server.fetch('/api/batch', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ operation: 'echo', items: [{}] }),
  })
  const { batchId } = await made.json()
  expect(await errorOf(await server.fetch(`/api/batch/${batchId}/changes`))).toMatchObject({
    status: 404,
    message: expect.stringContaining('"echo"'),
  })
})
