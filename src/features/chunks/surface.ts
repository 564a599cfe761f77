/** The surface of chunks, `/api/chunks`. */
import { LOOKUP_LIMITS } from '../../http/middleware/request-limits.ts'
import { PLAIN_ERRORS } from '../../http/response/error-formats.ts'
import type { Surface } from '../../http/surface.ts'

export const chunks: Surface = {
  name: 'Chunks',
  description:
    'Chunks by reference, many at once or one. Where they come from another service, loading and listing answer 405.',
  mount: '/api/chunks',
  errors: PLAIN_ERRORS,
  scopes: { read: 'chunks:read', write: 'chunks:write' },
  rates: { read: 'chunks.read', write: 'chunks.write' },
  readingPosts: ['/api/chunks/bulk'],
  limits: LOOKUP_LIMITS,
  load: async () => (await import('./routes.ts')).chunkRoutes,
  describe: async () => (await import('./routes.ts')).endpoints,
}
