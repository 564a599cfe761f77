/** The surface of batches, `/api/batch`. */
import type * as z from 'zod'
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import type { Surface } from '../../http/surface.ts'

/**
 * Makes the surface.
 * @param loadMerged loads the schemas of what operations merge the results of their jobs to
 */
export function batchSurface(loadMerged: () => Promise<readonly z.ZodType[]>): Surface {
  return {
    name: 'Batch',
    description: 'Heat sheets and batches of any operation: created, followed live, paused, cancelled.',
    mount: '/api/batch',
    errors: CODED_ERRORS,
    scopes: { read: 'batch:read', write: 'batch:write' },
    rates: { read: 'batch.read', write: 'batch.write' },
    creations: { '/api/batch': 'batch.create' },
    readingPosts: ['/api/batch/stream-token', '/api/batch/:id/stream-token'],
    reservedIds: ['stream', 'stream-token'],
    load: async () => {
      const [{ nativeRoutes }, { resultRoutes }, { statusRoutes }] = await Promise.all([
        import('./routes.ts'),
        import('./result-routes.ts'),
        import('./follow-routes.ts'),
      ])
      return (deps) => nativeRoutes(deps).route('/', resultRoutes(deps)).route('/', statusRoutes(deps))
    },
    describe: async () => {
      const [native, following, results] = await Promise.all([
        import('./routes.ts'),
        import('./follow-routes.ts'),
        import('./result-routes.ts'),
      ])
      return [...native.endpoints, ...following.endpoints, ...results.resultEndpoints(await loadMerged())]
    },
  }
}
