/** Described: pages of results. */
import type { Endpoint } from '../../http/openapi/endpoint.ts'
import { publicPage } from '../../http/openapi/public-page.ts'

export const endpoints: readonly Endpoint[] = [
  publicPage('GET /results/:code', 'showResult', 'What a heat sheet holds for a swimmer, as it is shared', {
    code: "The `resultCode` of a completed job. It is good until the job's batch is deleted.",
  }),
]
