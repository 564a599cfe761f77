/**
 * Three owners, one of them hostile: what the others wait for is at most twice what it is without the hostile one. Its worker has more places
 * than jobs, so that what is shared behind them is seen: the look-up of names, the owners' downloads, and the readers of documents.
 */
import { sign } from 'hono/jwt'
import { expect, it } from 'vitest'
import { startDnsServer } from '../drivers/dns-servers.ts'
import { serve } from '../drivers/fetch-servers.ts'
import { extract, statusOf, toTheEnd } from '../support/batches.ts'
import { heavyPdf } from '../support/heavy-sheets.ts'
import { expectAtMost } from '../support/owners-beside.ts'
import { ON_CLOUDFLARE, startServer, type TestServer } from '../support/server.ts'
import { heatSheet, SWIMMER } from '../support/sheets.ts'
import { scaled } from '../support/time-limits.ts'

const JWT_SECRET = 'a secret that is long enough for HS256'
const GOOD = ['good', 'better'] as const
/** Documents of each good owner in a round. */
const DOCUMENTS = ON_CLOUDFLARE ? 8 : 20
/** A Worker reads documents in its one thread, in turns of owners: see test/drivers/compute-inline.workerd.test.ts. */
const onNode = it.skipIf(ON_CLOUDFLARE)

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

interface Attack {
  readonly batchId: string
  readonly headers: Headers
}

/**
 * Holds the good owners beside the hostile one to twice what they take alone.
 * @param attack resolves once the hostile one has taken what it can get
 */
async function holds(
  what: string,
  server: TestServer,
  ask: Ask,
  attack: (round: number) => Promise<Attack>,
): Promise<void> {
  await expectAtMost(2, what, {
    times: (round) => timesOf(server, round, ask),
    attack: async (round) => {
      const { batchId, headers } = await attack(round)
      return async () => {
        const { batch } = await statusOf(server, batchId, { headers })
        expect(batch.status, 'it was there all the time').toBe('processing')
        await server.fetch(`/api/batch/${batchId}/cancel`, { method: 'POST', headers })
        await until(async () => (await statusOf(server, batchId, { headers })).batch.status === 'cancelled')
      }
    },
  })
}

const until = async (isTrue: () => boolean | Promise<boolean>) => {
  while (!(await isTrue())) await new Promise((resolve) => setTimeout(resolve, 20))
}

/** Requests of one owner that are sent at once, by default. */
const AT_ONCE = ON_CLOUDFLARE ? 4 : 16

/** Links that are never answered: on Node because of their names; a Worker leaves names to the platform, so there by their servers. */
it('beside a hundred links that nobody answers', { timeout: scaled(300_000) }, async () => {
  await using dns = await startDnsServer((name) => (name === 'files.test' ? { A: ['127.0.0.1'] } : 'silent'))
  const silent: string[] = []
  await using files = await serve(async (request, response) => {
    const path = decodeURIComponent(request.url ?? '')
    if (path.startsWith('/silent')) silent.push(path)
    else response.setHeader('Content-Type', 'application/pdf').end(await heatSheet({ meet: path }))
  })
  const host = `${ON_CLOUDFLARE ? '127.0.0.1' : 'files.test'}:${files.port}`
  await using server = await start(ON_CLOUDFLARE ? {} : { DNS_SERVERS: dns.address })
  const linked: Ask = async (name) => ({ swimmer: SWIMMER, urls: [`http://${host}/${encodeURIComponent(name)}`] })
  const attack = async (round: number) => {
    const headers = await headersOf('hostile')
    const nowhere = (i: number) =>
      ON_CLOUDFLARE ? `http://${host}/silent${round}/${i}.pdf` : `http://n${i}.silent${round}.test/sheet.pdf`
    const urls = Array.from({ length: 100 }, (_, i) => nowhere(i))
    const accepted = await extract(server, { swimmer: SWIMMER, urls }, headers)
    const asked = ON_CLOUDFLARE ? silent : dns.asked
    await until(() => asked.filter((name) => name.includes(`silent${round}`)).length >= AT_ONCE)
    return { ...accepted, headers }
  }
  await holds('links that nobody answers', server, linked, attack)
})

onNode('beside ten slow documents', { timeout: scaled(300_000) }, async () => {
  await using server = await start()
  // None of them is ever read to its end, so that each round begins them anew.
  const pdfs = Array.from({ length: 10 }, (_, i) => ({
    name: `slow-${i}.pdf`,
    bytes: heavyPdf(8, 1_500_000, `Slow ${i}`),
  }))
  const attack = async () => {
    const headers = await headersOf('hostile')
    const accepted = await extract(server, { swimmer: SWIMMER, pdfs }, headers)
    await untilRead(server, accepted.batchId, headers)
    return { ...accepted, headers }
  }
  await holds('ten slow documents', server, uploaded, attack)
})

onNode('beside a document of four hundred heavy pages', { timeout: scaled(300_000) }, async () => {
  await using server = await start({ MAX_DOCUMENT_CPU_SECONDS: '40' })
  const pdfs = [{ name: 'heavy.pdf', bytes: heavyPdf(400, 400_000, 'Heavy') }]
  const attack = async () => {
    const headers = await headersOf('hostile')
    const accepted = await extract(server, { swimmer: SWIMMER, pdfs }, headers)
    await untilRead(server, accepted.batchId, headers)
    return { ...accepted, headers }
  }
  await holds('a document of 400 heavy pages', server, uploaded, attack)
})

onNode(
  'a document of four hundred heavy pages fails alone at its limit, and says which',
  {
    timeout: scaled(300_000),
  },
  async () => {
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
  },
)

/** Waits until a page of the batch was read. */
const untilRead = (server: TestServer, batchId: string, headers: Headers) =>
  until(async () => (await (await server.fetch(`/api/batch/${batchId}`, { headers })).text()).includes('Reading page'))
