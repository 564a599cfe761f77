/** What is known of a document: asked again it answers at once, asked for another swimmer it is not read again. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { extract, resultsOf, statusOf, toTheEnd } from '../../support/batches.ts'
import { runKeys, startServer, type TestServer } from '../../support/server.ts'
import { heatSheet, OTHER, SWIMMER } from '../../support/sheets.ts'
import { scaled } from '../../support/time-limits.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const PAGES = 3
const sheetOf = (meet: string) => heatSheet({ meet, pages: PAGES })

/** How many documents were read so far: each that is read leaves a sheet. */
const countSheets = async () => (await server.blobs()).filter((path) => path.endsWith('.sheet')).length

/** Asks for a swimmer's events in one document; `read` says whether it was read for that. */
async function ask(bytes: Uint8Array, swimmer: string, headers: Record<string, string> = {}) {
  const before = await countSheets()
  const accepted = await extract(server, { swimmer, pdfs: [{ name: 'a.pdf', bytes }] }, headers)
  const follower = await toTheEnd(server, accepted)
  const completed = follower.received.find(({ event }) => event === 'job_completed')?.data
  return { batchId: accepted.batchId, follower, completed, read: (await countSheets()) > before }
}

describe('a document asked for again', () => {
  it.each([SWIMMER, 'Quill, Ada', 'QUILL,  ADA', ' ada   quill ', 'Áda Quill'])(
    'for %j is answered from what is known',
    async (name) => {
      const bytes = await sheetOf(`Meet for ${name}`)
      const first = await ask(bytes, SWIMMER)
      expect(first.completed).toMatchObject({ cached: false, eventCount: PAGES })
      expect(first.read).toBe(true)
      const again = await ask(bytes, name)
      expect(again.completed).toMatchObject({ cached: true, eventCount: PAGES })
      expect(again.read).toBe(false)
      expect(again.completed?.resultCode).not.toBe(first.completed?.resultCode)
      const [one, other] = [await resultsOf(server, first.batchId), await resultsOf(server, again.batchId)]
      const bare = ({ events }: typeof one) => events.map(({ source, ...event }) => event)
      expect(bare(other)).toEqual(bare(one))
      expect((await statusOf(server, again.batchId)).jobs[0]).toMatchObject({ cached: true, progressPercent: 100 })
    },
  )

  it('for another swimmer is not read again', async () => {
    const bytes = await sheetOf('Meet for two')
    const first = await ask(bytes, SWIMMER)
    const second = await ask(bytes, OTHER)
    expect(second.completed).toMatchObject({ cached: false, eventCount: PAGES })
    expect(first.read).toBe(true)
    expect(second.read).toBe(false)
    const merged = await resultsOf(server, second.batchId)
    expect(new Set(merged.events.map(({ swimmerName, lane }) => `${swimmerName} ${lane}`))).toEqual(
      new Set(['Bo Reed 4']),
    )
  })

  it('by another owner is read anew: what one has asked is nothing to the other', async () => {
    const bytes = await sheetOf('Meet of two owners')
    await ask(bytes, SWIMMER)
    const { output } = await runKeys(server, ['create', 'someone-else'])
    const key = /mr_\S+/.exec(output)?.[0]
    const theirs = await ask(bytes, SWIMMER, { Authorization: `Bearer ${key}` })
    expect(theirs.completed).toMatchObject({ cached: false })
    expect(theirs.read).toBe(true)
  })

  it('is forgotten with the batch that brought it', { timeout: scaled(120_000) }, async () => {
    const bytes = await sheetOf('Meet to be forgotten')
    const before = await server.blobs()
    const { batchId } = await ask(bytes, SWIMMER)
    expect((await server.fetch(`/api/batch/${batchId}`, { method: 'DELETE' })).status).toBe(200)
    while ((await server.blobs()).length > before.length) await new Promise((resolve) => setTimeout(resolve, 100))
    const again = await ask(bytes, SWIMMER)
    expect(again.completed).toMatchObject({ cached: false })
    expect(again.read).toBe(true)
  })

  it('that was refused is refused again', async () => {
    const bytes = new TextEncoder().encode('no sheet')
    for (let time = 0; time < 2; time++) {
      const { follower } = await ask(bytes, SWIMMER)
      expect(follower.received.find(({ event }) => event === 'job_failed')?.data).toMatchObject({
        errorCode: 'INVALID_PDF',
      })
    }
  })
})
