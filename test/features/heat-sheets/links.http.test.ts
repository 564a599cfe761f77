/** Linked documents: the name of the file and the link it is behind, wherever a job is shown, and what is told while it is fetched. */
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { extract, resultsOf, statusOf, toTheEnd } from '../../support/batches.ts'
import { Follower } from '../../support/follow.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { heatSheet, SWIMMER } from '../../support/sheets.ts'
import { scaled } from '../../support/time-limits.ts'
import { until } from '../../support/until.ts'
import { openReceiver } from '../webhooks/receiver.ts'

let server: TestServer
let sheet: Uint8Array
beforeAll(async () => {
  server = await startServer({ env: { MILLRACE_ALLOW_PRIVATE_URLS: '1' } })
  sheet = await heatSheet({ meet: 'Millpond Open' })
})
afterAll(() => server[Symbol.asyncDispose]())

/** A website of this machine. */
async function openWebsite(listener: RequestListener) {
  const web = createServer(listener).listen(0, '127.0.0.1')
  await once(web, 'listening')
  const address = web.address()
  return {
    origin: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    async [Symbol.asyncDispose]() {
      web.closeAllConnections()
      await new Promise((resolve) => web.close(resolve))
    },
  }
}

const giveSheet: RequestListener = (request, response) => {
  if (request.url?.startsWith('/named')) {
    response.setHeader('Content-Disposition', "attachment; filename*=UTF-8''L%C3%A4ufe%20am%20Sonntag.pdf")
  }
  response.end(request.url?.includes('letter') ? 'Dear parents' : sheet)
}

/** Each way that a link may name its file, the last two being documents that fail after they were fetched, and before. */
const LINKS = [
  { path: '/named?id=7', filename: 'Läufe am Sonntag.pdf', status: 'completed' },
  { path: '/sheets/Heat%20Sheet%201.pdf?x=/y.pdf', filename: 'Heat Sheet 1.pdf', status: 'completed' },
  { path: '/', filename: null, status: 'completed' },
  { path: '/named/letter', filename: 'Läufe am Sonntag.pdf', status: 'failed' },
]

it('have the name of their file, and the link beside it, wherever they are shown', async () => {
  await using website = await openWebsite(giveSheet)
  const named = LINKS.map(({ path, filename }) => ({ filename, url: website.origin + path }))
  const accepted = await extract(server, { swimmer: SWIMMER, urls: named.map(({ url }) => url) })
  const follower = await toTheEnd(server, accepted)
  const { jobs } = await statusOf(server, accepted.batchId)
  expect(jobs).toMatchObject(named.map((one, at) => ({ ...one, status: LINKS[at]?.status })))
  const ended = follower.received.filter(({ event }) => event === 'job_completed' || event === 'job_failed')
  const bySequence = ended.map(({ data }) => data).sort((a, b) => Number(a.sequence) - Number(b.sequence))
  expect(bySequence).toMatchObject(named)
  expect(follower.received.at(-1)?.data.results).toMatchObject(named)
  for (const query of ['jobs', '?after=0']) {
    const path = query === 'jobs' ? '/jobs' : query
    const page = z
      .looseObject({ jobs: z.array(z.looseObject({})), events: z.array(z.looseObject({})).optional() })
      .parse(await (await server.fetch(`/api/batch/${accepted.batchId}${path}`)).json())
    expect(page.jobs).toMatchObject(named)
    for (const { url } of query === 'jobs' ? [] : named) {
      expect(page.events).toContainEqual(expect.objectContaining({ data: expect.objectContaining({ url }) }))
    }
  }
  const { sources, events } = await resultsOf(server, accepted.batchId)
  expect(sources).toMatchObject(named.slice(0, 3))
  expect(named).toContainEqual({ filename: events[0]?.source.filename, url: events[0]?.source.url })
})

it('are named in webhooks', async () => {
  await using website = await openWebsite(giveSheet)
  await using receiver = await openReceiver()
  const url = `${website.origin}/named/letter`
  const webhook = { url: receiver.url, events: ['job_failed'] }
  await server.fetch('/api/batch', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      operation: 'heat-sheet',
      input: { swimmer: SWIMMER },
      items: [{ url }],
      options: { webhook },
    }),
  })
  const { body } = await until(() => Promise.resolve(receiver.received[0] ?? null))
  expect(JSON.parse(body).data).toMatchObject({ url, filename: 'Läufe am Sonntag.pdf', errorCode: 'INVALID_PDF' })
})

describe('while they are fetched', () => {
  it('are told as downloading, first by the name in the link, then by that of the answer', async () => {
    let release = () => {}
    await using website = await openWebsite((_, response) => {
      response.setHeader('Content-Length', sheet.byteLength)
      response.setHeader('Content-Disposition', 'attachment; filename="other.pdf"')
      response.flushHeaders()
      response.write(sheet.subarray(0, 100))
      release = () => response.end(sheet.subarray(100))
    })
    const url = `${website.origin}/first.pdf`
    const { batchId, streamUrl } = await extract(server, { swimmer: SWIMMER, urls: [url] })
    const follower = new Follower(new URL(streamUrl, server.url).href)
    const polled = await until(async () => {
      const { jobs } = await statusOf(server, batchId)
      return jobs[0]?.filename === 'other.pdf' ? jobs[0] : null
    })
    expect(polled).toMatchObject({ url, status: 'downloading', finishedAt: null, attempt: 1, maxAttempts: 3 })
    const told = await follower.until(({ data }) => data.filename === 'other.pdf')
    expect(told).toMatchObject({ event: 'job_progress', data: { url, status: 'downloading' } })
    await follower.until(({ data }) => /^Downloading: 100 bytes of /.test(String(data.progressMessage)))
    release()
    await follower.completed()
    follower.close()
    expect((await statusOf(server, batchId)).jobs).toMatchObject([{ filename: 'other.pdf', url, status: 'completed' }])
  })

  it('say that a link hangs, with progress that moves', { timeout: scaled(60_000) }, async () => {
    await using website = await openWebsite(() => {})
    const { batchId, streamUrl } = await extract(server, { swimmer: SWIMMER, urls: [`${website.origin}/hangs.pdf`] })
    const follower = new Follower(new URL(streamUrl, server.url).href)
    const saying = (seconds: number) =>
      follower.until(({ data }) => String(data.progressMessage).includes(`no answer yet (${seconds} of 30 seconds)`))
    const early = await saying(1)
    const late = await saying(9)
    expect([early.data.filename, early.data.status, late.data.status]).toEqual([
      'hangs.pdf',
      'downloading',
      'downloading',
    ])
    expect(Number(late.data.progressPercent)).toBeGreaterThan(Number(early.data.progressPercent))
    follower.close()
    await server.fetch(`/api/batch/${batchId}/cancel`, { method: 'POST' })
  })

  it('say that the delivery broke off', { timeout: scaled(60_000) }, async () => {
    await using website = await openWebsite((_, response) => {
      response.writeHead(200, { 'Content-Length': sheet.byteLength })
      response.write(sheet.subarray(0, 100), () => response.destroy())
    })
    const accepted = await extract(server, { swimmer: SWIMMER, urls: [`${website.origin}/cut.pdf`] })
    await toTheEnd(server, accepted)
    expect((await statusOf(server, accepted.batchId)).jobs).toMatchObject([
      {
        errorCode: 'NETWORK_ERROR',
        error: 'The connection broke off before the whole file had arrived. Try again later.',
        attempt: 3,
        maxAttempts: 3,
        startedAt: expect.any(String),
        finishedAt: expect.any(String),
      },
    ])
  })
})
