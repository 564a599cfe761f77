/** Described: pages of published cards. */
import type { Endpoint } from '../../http/openapi/endpoint.ts'
import { publicPage } from '../../http/openapi/public-page.ts'

export const endpoints: readonly Endpoint[] = [
  publicPage('GET /cards/:slug', 'showCard', 'The page of a published card', { slug: 'As its address ends.' }),
]
