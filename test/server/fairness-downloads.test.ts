/**
 * Three owners, one of them hostile: what the others wait for is at most twice what it is without the hostile one. All of a test's times are of
 * one server and one run. Its worker has more places than jobs, so that what is shared behind them is seen: the look-up of names, the owners'
 * downloads, and the readers of documents.
 */
import { sign } from 'hono/jwt'
import { expect, it } from 'vitest'
import { startDnsServer } from '../drivers/dns-servers.ts'
import { serve } from '../drivers/fetch-servers.ts'
import { extract, statusOf, toTheEnd } from './batches.ts'
import { startServer, type TestServer } from './harness.ts'
import { heavyPdf } from './heavy-sheets.ts'
import { heatSheet, SWIMMER } from './sheets.ts'

const JWT_SECRET = 'a secret that is long enough for HS256'
const GOOD = ['good', 'better'] as const
/** Documents of each good owner before the hostile one comes, beside it, and after it is gone. */
const DOCUMENTS = 24
/** Differences below this, in milliseconds, are a matter of what else the machine does. */
const FLOOR_MS = 150

type Headers = Record<string, string>

async function headersOf(owner: string): Promise<Headers> {
  const exp = Math.floor(Date.now() / 1_000) + 3_600
  return { Authorization: `Bearer ${await sign({ sub: owner, exp }, JWT_SECRET, 'HS256')}` }
}

const start = (env: Headers = {}) =>
  startServer({ env: { JWT_SECRET, MILLRACE_ALLOW_PRIVATE_URLS: '1', CONCURRENCY: '128', ...env } })

/** What a good owner asks for: a short sheet that nobody asked for before. */
type Ask = (name: string) => Promise<Parameters<typeof extract>[1]>

const uploaded: Ask = async (name) => ({
  swimmer: SWIMMER,
  pdfs: [{ name: 'sheet.pdf', bytes: await heatSheet({ meet: name }) }],
})

/** How long each document of the good owners takes, one after the other for each, in milliseconds. */
async function timesOf(server: TestServer, phase: string, ask: Ask): Promise<number[]> {
  const times = GOOD.map(async (owner) => {
    const headers = await headersOf(owner)
    const found: number[] = []
    for (let i = 0; i < DOCUMENTS; i++) {
      const parts = await ask(`Meet ${phase} ${owner} ${i}`)
      const began = performance.now()
      const accepted = await extract(server, parts, headers)
      await toTheEnd(server, accepted)
      found.push(performance.now() - began)
      expect(await statusOf(server, accepted.batchId, { headers })).toMatchObject({ batch: { status: 'completed' } })
    }
    return found
  })
  return (await Promise.all(times)).flat()
}

function p95(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.ceil(0.95 * times.length) - 1] ?? Number.NaN
}

interface Attack {
  readonly batchId: string
  readonly headers: Headers
}

/**
 * Times the good owners without, beside, and again without the hostile one.
 * @param attack resolves once the hostile one has taken what it can get
 */
async function compare(what: string, server: TestServer, ask: Ask, attack: () => Promise<Attack>): Promise<Attack> {
  await timesOf(server, 'warm', ask)
  const before = await timesOf(server, 'before', ask)
  const hostile = await attack()
  const beside = await timesOf(server, 'beside', ask)
  const { batch } = await statusOf(server, hostile.batchId, { headers: hostile.headers })
  expect(batch.status, 'it was there all the time').toBe('processing')
  await server.fetch(`/api/batch/${hostile.batchId}/cancel`, { method: 'POST', headers: hostile.headers })
  const after = await timesOf(server, 'after', ask)
  const alone = p95([...before, ...after])
  const ratio = p95(beside) / alone
  console.log(
    `${what}: p95 ${Math.round(alone)} ms alone, ${Math.round(p95(beside))} ms beside: ${ratio.toFixed(2)} times`,
  )
  expect(p95(beside)).toBeLessThan(2 * alone + FLOOR_MS)
  return hostile
}

const until = async (isTrue: () => boolean | Promise<boolean>) => {
  while (!(await isTrue())) await new Promise((resolve) => setTimeout(resolve, 20))
}

it('beside a hundred links whose names nobody answers for', { timeout: 300_000 }, async () => {
  await using dns = await startDnsServer((name) => (name === 'files.test' ? { A: ['127.0.0.1'] } : 'silent'))
  await using files = await serve(async (request, response) => {
    const meet = decodeURIComponent(request.url ?? '')
    response.setHeader('Content-Type', 'application/pdf').end(await heatSheet({ meet }))
  })
  await using server = await start({ DNS_SERVERS: dns.address })
  const linked: Ask = async (name) => ({
    swimmer: SWIMMER,
    urls: [`http://files.test:${files.port}/${encodeURIComponent(name)}`],
  })
  const attack = async () => {
    const headers = await headersOf('hostile')
    const urls = Array.from({ length: 100 }, (_, i) => `http://n${i}.silent.test/sheet.pdf`)
    const accepted = await extract(server, { swimmer: SWIMMER, urls }, headers)
    await until(() => dns.asked.filter((name) => name.includes('silent')).length >= 16)
    return { ...accepted, headers }
  }
  await compare('names nobody answers for', server, linked, attack)
})

it('beside ten slow documents', { timeout: 300_000 }, async () => {
  await using server = await start()
  const attack = async () => {
    const headers = await headersOf('hostile')
    const pdfs = Array.from({ length: 10 }, (_, i) => ({
      name: `slow-${i}.pdf`,
      bytes: heavyPdf(8, 1_500_000, `Slow ${i}`),
    }))
    const accepted = await extract(server, { swimmer: SWIMMER, pdfs }, headers)
    await untilRead(server, accepted.batchId, headers)
    return { ...accepted, headers }
  }
  await compare('ten slow documents', server, uploaded, attack)
})

it('beside a document of four hundred heavy pages', { timeout: 300_000 }, async () => {
  await using server = await start({ MAX_DOCUMENT_CPU_SECONDS: '40' })
  const attack = async () => {
    const headers = await headersOf('hostile')
    const pdfs = [{ name: 'heavy.pdf', bytes: heavyPdf(400, 400_000, 'Heavy') }]
    const accepted = await extract(server, { swimmer: SWIMMER, pdfs }, headers)
    await untilRead(server, accepted.batchId, headers)
    return { ...accepted, headers }
  }
  await compare('a document of 400 heavy pages', server, uploaded, attack)
})

it('a document of four hundred heavy pages fails alone at its limit, and says which', {
  timeout: 300_000,
}, async () => {
  await using server = await start({ MAX_DOCUMENT_CPU_SECONDS: '3' })
  const pdfs = [
    { name: 'heavy.pdf', bytes: heavyPdf(400, 400_000, 'Heavy') },
    { name: 'sheet.pdf', bytes: await heatSheet({ meet: 'Beside' }) },
  ]
  const headers = await headersOf('hostile')
  const accepted = await extract(server, { swimmer: SWIMMER, pdfs }, headers)
  const { received } = await toTheEnd(server, accepted)
  const failed = received.filter(({ event }) => event === 'job_failed')
  expect(failed).toHaveLength(1)
  const told = JSON.stringify(failed)
  expect(told).toContain('TOO_LARGE')
  expect(told).toContain('the 3 seconds of CPU time that one document may take (MAX_DOCUMENT_CPU_SECONDS)')
  expect((await statusOf(server, accepted.batchId, { headers })).batch.status).toBe('partial')
})

/** Waits until a page of the batch was read. */
const untilRead = (server: TestServer, batchId: string, headers: Headers) =>
  until(async () => (await (await server.fetch(`/api/batch/${batchId}`, { headers })).text()).includes('Reading page'))
