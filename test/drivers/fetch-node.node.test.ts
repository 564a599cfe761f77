/** The Fetcher of Node. What only it can do is in fetch.test.ts, fetch-answers.test.ts and fetch-send.test.ts. */
import { createNodeFetcher } from '../../src/drivers/fetch-node.ts'
import { startFetchServer } from '../contracts/fetch-server.ts'
import { fetcherContract } from '../contracts/fetcher.ts'

fetcherContract('Node', async () => {
  const { origin, close } = await startFetchServer()
  return { guarded: createNodeFetcher(), open: createNodeFetcher({ allowPrivate: true }), origin, dispose: close }
})
