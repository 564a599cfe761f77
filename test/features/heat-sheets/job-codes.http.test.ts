/** Documents that can't be used, and addresses that can't be fetched: by which code a job fails, and in what words. */
import { createServer, type RequestListener, type Server } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BatchAccepted } from '../../../src/features/batches/schemas.ts'
import { extract, resultsOf, statusOf, toTheEnd } from '../../support/batches.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { heatSheet, letter, lockedSheet, SWIMMER, scan } from '../../support/sheets.ts'
import { scaled } from '../../support/time-limits.ts'

const MB = 1024 * 1024

let server: TestServer
let guarded: TestServer
let sheet: Uint8Array
let web: { url: string; hits: Map<string, number>; close(): void }
beforeAll(async () => {
  server = await startServer({ env: { MILLRACE_ALLOW_PRIVATE_URLS: '1' } })
  guarded = await startServer()
  sheet = await heatSheet({ meet: 'Millpond Open' })
  web = await startWeb()
})
afterAll(async () => {
  web.close()
  await server[Symbol.asyncDispose]()
  await guarded[Symbol.asyncDispose]()
})

/** A web server with every way in which a link can disappoint. */
async function startWeb() {
  const hits = new Map<string, number>()
  const pages: Record<string, RequestListener> = {
    '/heats.pdf': (_, response) => response.setHeader('Content-Type', 'application/pdf').end(sheet),
    '/page': (_, response) => response.setHeader('Content-Type', 'text/html').end('<html>Not the sheet</html>'),
    '/moved': (_, response) => response.writeHead(302, { Location: '/heats.pdf' }).end(),
    '/gone': (_, response) => response.writeHead(410).end(),
    '/secret': (_, response) => response.writeHead(403).end(),
    '/busy': (_, response) => response.writeHead(429).end(),
    '/broken': (_, response) => response.writeHead(503).end(),
    '/shaky': (_, response) => (hits.get('/shaky') === 1 ? response.writeHead(503).end() : response.end(sheet)),
    '/cut': (_, response) => {
      response.writeHead(200, { 'Content-Length': sheet.byteLength }).write(sheet.subarray(0, 100))
      setTimeout(() => response.destroy(), 20)
    },
    '/waited': (_, response) => response.writeHead(408).end(),
    '/silent': () => {},
    '/large': (_, response) => response.writeHead(200, { 'Content-Length': 50 * MB + 1 }).write('%PDF-1.7'),
    '/endless': (_, response) => {
      const piece = Buffer.alloc(MB)
      const go = () => {
        while (!response.destroyed && response.write(piece));
      }
      response.on('drain', go)
      go()
    },
  }
  const listener: RequestListener = (request, response) => {
    const path = request.url ?? ''
    hits.set(path, (hits.get(path) ?? 0) + 1)
    const page = pages[path]
    if (page === undefined) response.writeHead(404).end()
    else page(request, response)
  }
  const listening = await new Promise<Server>((resolve) => {
    const made = createServer(listener).listen(0, '127.0.0.1', () => resolve(made))
  })
  const address = listening.address()
  if (address === null || typeof address === 'string') throw new Error('The web server has no port.')
  return {
    url: `http://127.0.0.1:${address.port}`,
    hits,
    close: () => {
      listening.closeAllConnections()
      listening.close()
    },
  }
}

/** What one document came to. */
async function outcomeOf(document: { bytes: Uint8Array | string } | { url: string }, on = server) {
  const parts = 'url' in document ? { urls: [document.url] } : { pdfs: [{ name: 'a.pdf', bytes: document.bytes }] }
  return endOf(on, await extract(on, { swimmer: SWIMMER, ...parts }))
}

/** What the only document of a batch came to. */
async function endOf(on: TestServer, accepted: { batchId: string; streamUrl: string }) {
  const { received } = await toTheEnd(on, accepted)
  const { jobs, batch } = await statusOf(on, accepted.batchId)
  const failed = received.find(({ event }) => event === 'job_failed')?.data
  expect(jobs[0]).toMatchObject({ errorCode: failed?.errorCode ?? null, error: failed?.errorMessage ?? null })
  return { batch: batch.status, job: jobs[0]?.status, code: failed?.errorCode, message: failed?.errorMessage }
}

describe('a document', () => {
  it.each([
    ['that is text', 'Dear parents', 'INVALID_PDF', /not a PDF/],
    ['that is a web page', '<!doctype html><title>Sign in</title>', 'INVALID_PDF', /not a PDF/],
    ['that is empty', '', 'INVALID_PDF', /empty/],
    ['that only begins as a PDF', '%PDF-1.7\nnothing more', 'INVALID_PDF', /damaged/],
  ])('%s is refused', async (_, bytes, code, message) => {
    expect(await outcomeOf({ bytes })).toEqual({
      batch: 'failed',
      job: 'failed',
      code,
      message: expect.stringMatching(message),
    })
  })

  it.each([
    ['that is cut off', async () => (await heatSheet({ meet: 'Cut' })).subarray(0, 400), 'INVALID_PDF', /damaged/],
    ['that is locked', lockedSheet, 'INVALID_PDF', /password/],
    ['that is a scan', scan, 'NO_TEXT', /scan|picture|image/i],
    ['that is a letter', letter, 'NOT_A_HEAT_SHEET', /heat/],
  ])('%s is refused', async (_, make, code, message) => {
    expect(await outcomeOf({ bytes: await make() })).toEqual({
      batch: 'failed',
      job: 'failed',
      code,
      message: expect.stringMatching(message),
    })
  })

  it('that is fine is read though others in its batch are not', async () => {
    const pdfs = [
      { name: 'text.pdf', bytes: 'Dear parents' },
      { name: 'sheet.pdf', bytes: sheet },
      { name: 'scan.pdf', bytes: await scan() },
    ]
    const accepted = await extract(server, { swimmer: SWIMMER, pdfs, urls: [`${web.url}/nothing.pdf`] })
    const { data } = await (await toTheEnd(server, accepted)).completed()
    expect(data).toMatchObject({ status: 'partial', completedJobs: 1, failedJobs: 3, totalEvents: 1 })
    expect(data.results).toMatchObject([
      { sequence: 1, filename: 'text.pdf', status: 'failed', errorCode: 'INVALID_PDF' },
      { sequence: 2, filename: 'sheet.pdf', status: 'completed', errorCode: null, eventCount: 1 },
      { sequence: 3, filename: 'scan.pdf', status: 'failed', errorCode: 'NO_TEXT' },
      { sequence: 4, status: 'failed', errorCode: 'NOT_FOUND' },
    ])
    const merged = await resultsOf(server, accepted.batchId)
    expect(merged.sources.map(({ filename }) => filename)).toEqual(['sheet.pdf'])
  })
})

describe('a link', () => {
  it.each(['/heats.pdf', '/moved', '/shaky'])('to %s is fetched and read', async (path) => {
    expect(await outcomeOf({ url: web.url + path })).toMatchObject({ batch: 'completed', job: 'completed' })
  })

  it.each([
    ['/page', 'INVALID_PDF', 1],
    ['/nothing', 'NOT_FOUND', 1],
    ['/gone', 'NOT_FOUND', 1],
    ['/large', 'TOO_LARGE', 1],
    ['/endless', 'TOO_LARGE', 1],
    ['/busy', 'RATE_LIMIT', 3],
    ['/broken', 'SERVICE_UNAVAILABLE', 3],
    ['/cut', 'NETWORK_ERROR', 3],
    ['/waited', 'TIMEOUT', 3],
  ])('to %s fails as %s after %i tries', { concurrent: true }, async (path, code, tries) => {
    const outcome = await outcomeOf({ url: web.url + path })
    expect(outcome).toMatchObject({
      batch: 'failed',
      job: 'failed',
      code,
      message: expect.stringMatching(/\w{3,}.*\.$/),
    })
    expect(web.hits.get(path)).toBe(tries)
  })

  // A download may take 30 s, each time that it is tried.
  it('to /silent fails as TIMEOUT', { timeout: scaled(120_000), concurrent: true }, async () => {
    const response = await server.fetch('/api/batch', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({
        operation: 'heat-sheet',
        input: { swimmer: SWIMMER },
        items: [{ url: `${web.url}/silent` }],
        options: { maxAttempts: 1 },
      }),
    })
    expect(await endOf(server, BatchAccepted.parse(await response.json()))).toMatchObject({
      job: 'failed',
      code: 'TIMEOUT',
      message: expect.stringMatching(/30 seconds/),
    })
    expect(web.hits.get('/silent')).toBe(1)
  })

  it('that needs a login fails at once, in words', async () => {
    const outcome = await outcomeOf({ url: `${web.url}/secret` })
    expect(outcome).toMatchObject({ job: 'failed', message: expect.stringMatching(/sign-in/) })
    expect(web.hits.get('/secret')).toBe(1)
  })

  it('to a port where nobody listens is a network error', async () => {
    const free = await startWeb()
    free.close()
    expect(await outcomeOf({ url: `${free.url}/heats.pdf` })).toMatchObject({ code: 'NETWORK_ERROR' })
  })

  it.each([
    'http://127.0.0.1/heats.pdf',
    'http://localhost:1/heats.pdf',
    'http://2130706433/heats.pdf',
    'http://[::ffff:127.0.0.1]/heats.pdf',
    'http://169.254.169.254/latest/meta-data/',
    'http://10.0.0.1/heats.pdf',
    'file:///etc/passwd',
    'ftp://example.com/heats.pdf',
  ])('to %s is not fetched', async (url) => {
    expect(await outcomeOf({ url }, guarded)).toMatchObject({ job: 'failed', code: 'URL_NOT_ALLOWED' })
  })

  it('leaves nothing behind that was fetched', async () => {
    expect((await server.blobs()).filter((path) => /fetched|~incoming/.test(path))).toEqual([])
  })
})
