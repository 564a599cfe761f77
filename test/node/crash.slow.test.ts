/** A server that is killed, and one that is told to stop: what was accepted is finished by the next, and counted once. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { ExtractAccepted } from '../../src/features/heat-sheets/schemas.ts'
import { extract, formOf, resultsOf, statusOf } from '../support/batches.ts'
import { eventsOf, Follower } from '../support/follow.ts'
import { curl, freshFolder, startServer, type TestServer } from '../support/server.ts'
import { heatSheet, SWIMMER } from '../support/sheets.ts'
import { scaled } from '../support/time-limits.ts'

const env = { MILLRACE_ALLOW_PRIVATE_URLS: '1', CONCURRENCY: '3' }

const servers: TestServer[] = []
const followers: Follower[] = []
afterEach(async () => {
  for (const follower of followers.splice(0)) follower.close()
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]()
})

async function start(options: { dataDir: string; port?: number }): Promise<TestServer> {
  const server = await startServer({ ...options, env })
  servers.push(server)
  return server
}

function follow(url: string): Follower {
  const follower = new Follower(url)
  followers.push(follower)
  return follower
}

/** A document at a link whose answer is held back until a test lets it go. */
async function heldLink(bytes: Uint8Array) {
  let held = true
  const waiting: ServerResponse[] = []
  const web = createServer((_, response) => {
    if (held) waiting.push(response)
    else response.end(bytes)
  }).listen(0, '127.0.0.1')
  await once(web, 'listening')
  const address = web.address()
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/held.pdf`,
    /** How often it was asked for. */
    get asked() {
      return waiting.length
    },
    release() {
      held = false
      for (const response of waiting) response.end(bytes)
    },
    [Symbol.dispose]() {
      web.closeAllConnections()
      web.close()
    },
  }
}

const DOCUMENTS = 8
const PAGES = 12

function documents(): Promise<{ name: string; bytes: Uint8Array }[]> {
  return Promise.all(
    Array.from({ length: DOCUMENTS }, async (_, i) => ({
      name: `${i}.pdf`,
      bytes: await heatSheet({ meet: `Meet ${i}`, pages: PAGES }),
    })),
  )
}

/** That a batch of all documents and one link came to its end once, whatever happened on the way. */
async function expectWhole(server: TestServer, batchId: string, seen: Follower): Promise<void> {
  const jobs = DOCUMENTS + 1
  const events = (DOCUMENTS + 1) * PAGES
  const { batch, jobs: list } = await statusOf(server, batchId)
  expect(batch).toMatchObject({
    status: 'completed',
    totalJobs: jobs,
    completedJobs: jobs,
    failedJobs: 0,
    cancelledJobs: 0,
  })
  expect(list.every(({ status }) => status === 'completed')).toBe(true)
  expect(new Set(list.map(({ resultCode }) => resultCode)).size).toBe(jobs)

  const log = eventsOf(await curl(['-N', `${server.url}/api/batch/${batchId}/stream`]))
  expect(log.map(({ id }) => id)).toEqual(log.map((_, i) => i + 1))
  const ended = log.flatMap(({ event }) => (event.type === 'job_completed' ? [event.jobId] : []))
  expect(ended.toSorted()).toEqual(list.map(({ id }) => id).toSorted())
  expect(log.map(({ event }) => event.type)).toEqual([
    'batch_started',
    ...list.map(() => 'job_completed'),
    'batch_completed',
  ])
  expect(log.at(-1)?.event).toMatchObject({ completedJobs: jobs, failedJobs: 0, totalEvents: events })

  expect(seen.logged.map(({ id }) => Number(id))).toEqual(log.map(({ id }) => id))
  expect((await resultsOf(server, batchId)).events).toHaveLength(events)
}

describe('kill -9', () => {
  it('in the middle of a batch loses nothing, counts nothing twice, and the next server goes on before leases run out', async () => {
    const dataDir = await freshFolder()
    using link = await heldLink(await heatSheet({ meet: 'Held Meet', pages: PAGES }))
    const first = await start({ dataDir })
    const accepted = await extract(first, { swimmer: SWIMMER, pdfs: await documents(), urls: [link.url] })
    const follower = follow(first.url + accepted.streamUrl)
    await follower.until(({ event }) => event === 'job_completed')
    while (link.asked === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    expect(await first.end('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' })

    link.release()
    const second = await start({ dataDir, port: first.port })
    await second.says('took back jobs of a process that is gone')
    // The same client: it comes back by itself, with the number of the last event it had.
    await follower.completed()
    expect(await follower.closed).toBe(204)
    await expectWhole(second, accepted.batchId, follower)
  })

  it('again and again, at any moment, comes to the same', { timeout: scaled(120_000) }, async () => {
    const dataDir = await freshFolder()
    using link = await heldLink(await heatSheet({ meet: 'Held Meet', pages: PAGES }))
    let server = await start({ dataDir })
    const accepted = await extract(server, { swimmer: SWIMMER, pdfs: await documents(), urls: [link.url] })
    const follower = follow(server.url + accepted.streamUrl)
    for (let kill = 0; kill < 5; kill++) {
      await new Promise((resolve) => setTimeout(resolve, 40 * kill))
      await server.end('SIGKILL')
      server = await start({ dataDir, port: server.port })
    }
    link.release()
    await follower.completed()
    await expectWhole(server, accepted.batchId, follower)
  })

  it('as soon as a form is accepted keeps all of it', async () => {
    const dataDir = await freshFolder()
    const first = await start({ dataDir })
    const pdfs = await documents()
    const batches = await Promise.all(pdfs.map((pdf) => extract(first, { swimmer: SWIMMER, pdfs: [pdf] })))
    await first.end('SIGKILL')
    const second = await start({ dataDir, port: first.port })
    for (const { batchId, streamUrl } of batches) {
      await follow(second.url + streamUrl).completed()
      expect((await statusOf(second, batchId)).batch).toMatchObject({ status: 'completed', completedJobs: 1 })
    }
  })
})

describe('told to stop, a server', () => {
  it('ends streams, hands back what runs, and the next one goes on', async () => {
    const dataDir = await freshFolder()
    using link = await heldLink(await heatSheet({ meet: 'Held Meet', pages: PAGES }))
    const first = await start({ dataDir })
    const accepted = await extract(first, { swimmer: SWIMMER, pdfs: await documents(), urls: [link.url] })
    const follower = follow(first.url + accepted.streamUrl)
    await follower.until(({ data }) => data.status === 'downloading')
    const stream = await first.fetch(accepted.streamUrl)
    while (link.asked === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    const ended = first.end('SIGTERM')
    // To its end, and not cut off in the middle: reading would fail.
    expect(eventsOf(await stream.text())[0]).toMatchObject({ id: 1 })
    expect(await ended).toEqual({ code: 0, signal: null })

    link.release()
    const second = await start({ dataDir, port: first.port })
    expect(second.output).not.toContain('took back jobs')
    await follower.completed()
    await expectWhole(second, accepted.batchId, follower)
  })

  it('lets a form that is still coming in be accepted', async () => {
    const dataDir = await freshFolder()
    const first = await start({ dataDir })
    const form = formOf({ swimmer: SWIMMER, pdfs: (await documents()).slice(0, 1) })
    const whole = new Response(form)
    const bytes = new Uint8Array(await whole.arrayBuffer())
    const type = whole.headers.get('content-type') ?? ''
    const sending = request(`${first.url}/api/batch/extract`, { method: 'POST', headers: { 'Content-Type': type } })
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      sending.on('response', resolve).on('error', reject)
    })
    sending.write(bytes.subarray(0, bytes.length / 2))
    while ((await first.blobs()).length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    const ended = first.end('SIGTERM')
    while (
      await first.fetch('/healthz').then(
        () => true,
        () => false,
      )
    );
    sending.end(bytes.subarray(bytes.length / 2))
    const response = await answered
    const { batchId, streamUrl } = ExtractAccepted.parse(JSON.parse((await response.toArray()).join('')))
    expect(await ended).toEqual({ code: 0, signal: null })
    const second = await start({ dataDir })
    await follow(second.url + streamUrl).completed()
    expect((await statusOf(second, batchId)).batch).toMatchObject({ status: 'completed', completedJobs: 1 })
  })

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'by %s goes at once when it has nothing to do, though clients keep connections open',
    async (signal) => {
      const server = await start({ dataDir: await freshFolder() })
      expect((await server.fetch('/healthz')).status).toBe(200)
      expect(await server.end(signal)).toEqual({ code: 0, signal: null })
    },
  )
})
