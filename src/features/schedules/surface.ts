/** The surface of schedules, `/api/schedules`. */
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import type { Surface } from '../../http/surface.ts'
import type { BatchStarter } from './batch-starter.ts'

/**
 * Makes the surface. Who may make batches may schedule them.
 * @param loadBatches loads what makes batches
 */
export function scheduleSurface(loadBatches: () => Promise<BatchStarter>): Surface {
  return {
    name: 'Schedules',
    description: 'Batches that start by cron.',
    mount: '/api/schedules',
    errors: CODED_ERRORS,
    scopes: { read: 'batch:read', write: 'batch:write' },
    rates: { read: 'batch.read', write: 'batch.write' },
    load: async () => {
      const { scheduleRoutes } = await import('./routes.ts')
      return (deps, quotas) => scheduleRoutes(deps, quotas, loadBatches)
    },
    describe: async () => (await import('./routes.ts')).endpoints,
  }
}
