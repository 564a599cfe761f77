/** The surface of resources, `/api/v1`: batch reads and writes, recommendations, and the collections they are made of. */
import { Hono } from 'hono'
import type { AppDeps, Env } from '../../http/context.ts'
import { LOOKUP_LIMITS } from '../../http/middleware/request-limits.ts'
import { DETAIL_ERRORS } from '../../http/response/error-formats.ts'
import type { Surface } from '../../http/surface.ts'
import type { ReadableResource } from '../../rows/readable-resource.ts'

/**
 * Makes the surface.
 * @param loadOthers loads the types of resource that other features have
 */
export function resourceSurface(loadOthers: () => Promise<(deps: AppDeps) => readonly ReadableResource[]>): Surface {
  return {
    name: 'Reads',
    description: 'Resources by id, many at once; recommendations; writes in batches.',
    mount: '/api/v1',
    errors: DETAIL_ERRORS,
    scopes: { read: 'resources:read', write: 'resources:write' },
    rates: { read: 'resources.read', write: 'resources.write' },
    creations: { '/api/v1/batch/update': 'resources.write', '/api/v1/batch/delete': 'resources.write' },
    readingPosts: ['/api/v1/batch/get', '/api/v1/batch/activities/recommendations'],
    limits: LOOKUP_LIMITS,
    load: async () => {
      const [{ batchReadRoutes }, { collectionRoutes }, others] = await Promise.all([
        import('./routes.ts'),
        import('./collection-routes.ts'),
        loadOthers(),
      ])
      return (deps) =>
        new Hono<Env>().route('/', batchReadRoutes(deps, others(deps))).route('/', collectionRoutes(deps))
    },
    describe: async () => [
      ...(await import('./routes.ts')).endpoints,
      ...(await import('./collection-routes.ts')).endpoints,
    ],
  }
}
