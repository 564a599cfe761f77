/** A link that never answers: its job fails by its time limit, however often it is tried, and nothing else waits for it. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { expect, it } from 'vitest'
import { extract, statusOf, toTheEnd } from '../../support/batches.ts'
import { startServer } from '../../support/server.ts'
import { heatSheet, SWIMMER } from '../../support/sheets.ts'
import { scaled } from '../../support/time-limits.ts'

/** Three tries of 30 seconds, and the pauses between them. */
const ALL_TRIES_MS = 120_000

it('fails after three tries of 30 seconds each', { timeout: scaled(2 * ALL_TRIES_MS) }, async () => {
  await using server = await startServer({ env: { MILLRACE_ALLOW_PRIVATE_URLS: '1' } })
  const web = createServer(() => {}).listen(0, '127.0.0.1')
  await once(web, 'listening')
  const address = web.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/hangs.pdf`
  const pdfs = [{ name: 'here.pdf', bytes: await heatSheet({ meet: 'Millpond Open' }) }]
  const began = performance.now()
  const accepted = await extract(server, { swimmer: SWIMMER, urls: [url], pdfs })
  const { received } = await toTheEnd(server, accepted)
  const took = performance.now() - began
  web.closeAllConnections()
  web.close()
  expect(took).toBeGreaterThan(90_000)
  expect(took).toBeLessThan(scaled(ALL_TRIES_MS))
  expect((await statusOf(server, accepted.batchId)).jobs).toMatchObject([
    { filename: 'here.pdf', status: 'completed' },
    {
      url,
      filename: 'hangs.pdf',
      status: 'failed',
      errorCode: 'TIMEOUT',
      error: 'The link did not answer within 30 seconds. Try again later, or send the file itself.',
      attempt: 3,
      maxAttempts: 3,
      finishedAt: expect.any(String),
    },
  ])
  const waits = received.filter(({ data }) => String(data.progressMessage).includes('no answer yet'))
  expect(new Set(waits.map(({ data }) => data.attempt))).toEqual(new Set([1, 2, 3]))
  const percents = waits.filter(({ data }) => data.attempt === 1).map(({ data }) => Number(data.progressPercent))
  expect(percents).toEqual(percents.toSorted((a, b) => a - b))
  expect(Number(percents.at(-1))).toBeGreaterThan(Number(percents[0]))
})
