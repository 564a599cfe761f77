/** Description of a public page, readable by all who have its address. */
import * as z from 'zod'
import type { Endpoint, Parameters } from './endpoint.ts'

const page = (description: string) => ({ description, content: { 'text/html': { schema: z.string() } } })

/** Describes the route of a public page. */
export function publicPage<P extends Parameters>(route: Endpoint['route'], id: string, summary: string, path: P) {
  return {
    route,
    id,
    summary,
    access: 'public',
    path,
    // People pass such addresses on, and what they pass them on by adds parameters of its own.
    query: 'any',
    answers: {
      200: page('The page.'),
      404: page('A page that says that nothing is here.'),
      429: {
        ...page('Too many addresses that are not there were tried from where the caller is.'),
        headers: ['Retry-After'],
      },
    },
  } satisfies Endpoint
}
