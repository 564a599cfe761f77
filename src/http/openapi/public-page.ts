/** Described: a page for everybody who has its address. */
import * as z from 'zod'
import type { Endpoint } from './endpoint.ts'

const page = (description: string) => ({ description, content: { 'text/html': { schema: z.string() } } })

/** Describes the route of a public page. */
export function publicPage(
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
