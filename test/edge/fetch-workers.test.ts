/** The Fetcher of the edge, with workerd's own fetch. */
import { inject } from 'vitest'
import { createWorkersFetcher } from '../../src/drivers/fetch-workers.ts'
import { fetcherContract } from '../contracts/fetcher.ts'

fetcherContract('a Worker', async () => ({
  guarded: createWorkersFetcher(),
  open: createWorkersFetcher({ allowPrivate: true }),
  origin: inject('fetchOrigin'),
}))
