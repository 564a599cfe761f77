/** Several swimmers of one request: each has a result and a link of their own, and every document is read once. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { extract, resultsOf, toTheEnd } from '../../support/batches.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { heatSheet, OTHER, SWIMMER } from '../../support/sheets.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer({})
})
afterAll(() => server[Symbol.asyncDispose]())

const pageOf = async (code: string | undefined) => (await server.fetch(`/results/${code}`)).text()

it('gives every swimmer events, a count and a link that shows nobody else', async () => {
  const pdfs = [
    { name: 'one.pdf', bytes: await heatSheet({ meet: 'Siblings Open', pages: 2 }) },
    { name: 'two.pdf', bytes: await heatSheet({ meet: 'Siblings Classic', date: '3/14/2031' }) },
  ]
  const accepted = await extract(server, { swimmer: [SWIMMER, OTHER, 'Quill, Ada', 'Nobody Here'], pdfs })
  expect(accepted.totalJobs).toBe(2)
  await toTheEnd(server, accepted)
  const merged = await resultsOf(server, accepted.batchId)
  expect(merged).toMatchObject({
    swimmerName: SWIMMER,
    swimmers: [
      { swimmerName: SWIMMER, totalEvents: 3 },
      { swimmerName: OTHER, totalEvents: 3 },
      { swimmerName: 'Nobody Here', totalEvents: 0 },
    ],
    totalEvents: 6,
  })
  expect(merged.events.map(({ swimmer, swimmerName }) => [swimmer, swimmerName])).toEqual(
    [1, 2, 3].flatMap(() => [
      [SWIMMER, SWIMMER],
      [OTHER, OTHER],
    ]),
  )
  const [first] = merged.sources
  expect(first).toMatchObject({
    filename: 'one.pdf',
    eventCount: 4,
    swimmers: [{ eventCount: 2 }, { eventCount: 2 }, { eventCount: 0 }],
  })
  const codes = first?.swimmers?.map(({ resultCode }) => resultCode) ?? []
  expect(new Set(codes).size).toBe(3)
  expect(first?.resultCode).toBe(codes[0])
  for (const [i, name] of [SWIMMER, OTHER, 'Nobody Here'].entries()) {
    const page = await pageOf(codes[i])
    for (const other of [SWIMMER, OTHER, 'Nobody Here']) expect(page.includes(other)).toBe(other === name)
  }
  const batch = await (await server.fetch(`/api/batch/${accepted.batchId}`)).json()
  expect(batch).toMatchObject({ batch: { swimmerName: SWIMMER, swimmers: [SWIMMER, OTHER, 'Nobody Here'] } })
})

it('answers for one of them from what was kept, with that swimmer alone', async () => {
  const pdfs = [{ name: 'one.pdf', bytes: await heatSheet({ meet: 'Kept Open' }) }]
  await toTheEnd(server, await extract(server, { swimmer: [SWIMMER, OTHER], pdfs }))
  const again = await extract(server, { swimmer: OTHER, pdfs })
  await toTheEnd(server, again)
  const merged = await resultsOf(server, again.batchId)
  expect(merged).not.toHaveProperty('swimmers')
  expect(merged.events.map(({ swimmerName }) => swimmerName)).toEqual([OTHER])
  const batch = await (await server.fetch(`/api/batch/${again.batchId}`)).text()
  expect(batch).toContain('"cached":true')
  expect(batch).not.toContain(SWIMMER)
})
