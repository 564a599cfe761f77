/** Described: pages for everybody who has their address. */
import * as z from 'zod'
import type { Endpoint, Surface } from '../../http/openapi/endpoint.ts'
import { ErrorBody } from '../../http/response/error-bodies.ts'

const page = (description: string) => ({ description, content: { 'text/html': { schema: z.string() } } })

function publicPage(
  route: Endpoint['route'],
  id: string,
  summary: string,
  path: Readonly<Record<string, string>>,
): Endpoint {
  return {
    route,
    id,
    summary,
    access: 'public',
    path,
    answers: {
      200: page('The page.'),
      404: page('A page that says that nothing is here.'),
      429: {
        ...page('Too many addresses that are not there were tried from where the caller is.'),
        headers: ['Retry-After'],
      },
    },
  }
}

export const pages: Surface = {
  name: 'Pages',
  description: 'Pages for everybody who has their address. They say that they are not to be indexed.',
  error: ErrorBody,
  endpoints: [
    publicPage('GET /cards/:slug', 'showCard', 'The page of a published card', { slug: 'As its address ends.' }),
    publicPage('GET /results/:code', 'showResult', 'What a heat sheet holds for a swimmer, as it is shared', {
      code: "The `resultCode` of a completed job. It is good until the job's batch is deleted.",
    }),
  ],
}
