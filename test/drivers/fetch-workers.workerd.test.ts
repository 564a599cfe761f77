/** The Fetcher on Cloudflare, with workerd's own fetch. */
import { expect, inject, it } from 'vitest'
import * as z from 'zod'
import { createWorkersFetcher } from '../../src/drivers/fetch-workers.ts'
import { fetcherContract } from '../contracts/fetcher.ts'

fetcherContract('a Worker', async () => ({
  guarded: createWorkersFetcher(),
  open: createWorkersFetcher({ allowPrivate: true }),
  origin: inject('fetchOrigin'),
}))

const [guarded = '', open = ''] = inject('outbounds').split(' ')
fetcherContract('a Worker with an outbound service', async () => ({
  guarded: createWorkersFetcher({ outbound: guarded }),
  open: createWorkersFetcher({ allowPrivate: true, outbound: open }),
  origin: inject('fetchOrigin'),
}))

const LIMITS = { maxBytes: 1_000, timeoutMs: 10_000 }
const MESSAGE = { body: '{}', headers: { 'content-type': 'application/json' }, timeoutMs: 10_000 }

it.each([
  ['inside.example.org', guarded, 'URL_NOT_ALLOWED'],
  ['nowhere.example.org', guarded, 'NETWORK_ERROR'],
  ['inside.example.org', 'a service that is gone', 'NETWORK_ERROR'],
  ['inside.example.org', 'a service that is something else', 'NETWORK_ERROR'],
])('a link or webhook at %s through %s fails with %s, and nothing is sent there', async (host, service, code) => {
  const origin = inject('fetchOrigin')
  const others: Record<string, string> = {
    'a service that is gone': 'http://127.0.0.1:1/',
    'a service that is something else': `${origin}/pdf`,
  }
  const fetcher = createWorkersFetcher({ outbound: others[service] ?? service })
  const url = `http://${host}:${new URL(origin).port}/reached`
  await fetch(`${origin}/requests`)
  await expect(fetcher.fetch(url, LIMITS)).rejects.toMatchObject({ code })
  await expect(fetcher.send(url, MESSAGE)).rejects.toMatchObject({ code })
  const paths = z.array(z.object({ url: z.string() })).parse(await (await fetch(`${origin}/requests`)).json())
  expect(paths.filter((request) => request.url === '/reached')).toEqual([])
})
