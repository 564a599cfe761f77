/** The Worker on a libSQL server by URL, in the place of D1. */
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { startHranaServer } from '../contracts/hrana-server.ts'
import { extract, resultsOf, statusOf, toTheEnd } from '../support/batches.ts'
import { Follower } from '../support/follow.ts'
import { openPlatform } from '../support/platform.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { heatSheet, SWIMMER } from '../support/sheets.ts'

const Created = z.object({ batchId: z.string(), streamUrl: z.string() })

let platform: Awaited<ReturnType<typeof openPlatform>>
let database: Awaited<ReturnType<typeof startHranaServer>>
let server: TestServer
beforeAll(async () => {
  // Its schema is the database's own affair.
  platform = await openPlatform()
  database = await startHranaServer(join(platform.folder, 'millrace.db'), 'a-token')
  server = await startServer({ env: { DATABASE_URL: database.origin, DATABASE_AUTH_TOKEN: 'a-token' } })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  database.close()
  await platform.close()
})

it('runs jobs, tries again what may pass, and tells of each once and in order', async () => {
  const items = Array.from({ length: 60 }, (_, value) => ({
    value,
    waitMs: (value % 4) * 30,
    ...(value % 20 === 1 ? { failures: 1 } : {}),
    ...(value % 30 === 2 ? { error: 'no' } : {}),
  }))
  const response = await server.fetch('/api/batch', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ operation: 'echo', items, options: { concurrency: 10 } }),
  })
  const { batchId, streamUrl } = Created.parse(await response.json())
  const follower = new Follower(server.url + streamUrl)
  await follower.completed()
  follower.close()
  expect(follower.logged.map(({ id }) => Number(id))).toEqual(Array.from({ length: 62 }, (_, at) => at + 1))
  const { batch } = await statusOf(server, batchId)
  expect(batch).toMatchObject({ status: 'partial', completedJobs: 58, failedJobs: 2 })
  // There, and not in D1.
  expect(await platform.db.all(sql`SELECT completed FROM batches WHERE id = ${batchId}`)).toEqual([{ completed: 58 }])
})

it('reads heat sheets', async () => {
  const pdfs = [{ name: 'a.pdf', bytes: await heatSheet({ meet: 'Elsewhere Open', pages: 3 }) }]
  const accepted = await extract(server, { swimmer: SWIMMER, pdfs })
  await toTheEnd(server, accepted)
  expect((await resultsOf(server, accepted.batchId)).events).toHaveLength(3)
})
