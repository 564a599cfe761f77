/** Surfaces of workers over HTTP: the calls of workers, and the declarations of their operations. */
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import type { Surface } from '../../http/surface.ts'
import type { Operations } from '../../operation.ts'

const name = 'Workers'
const description = 'Workers in any language: operations declared for them, and the jobs that they claim.'

/** `/api/workers/*`. Which operations a worker may work on is checked by its routes. */
export const workers: Surface = {
  name,
  description,
  mount: '/api/workers',
  errors: CODED_ERRORS,
  scopes: { read: 'work', write: 'work' },
  rates: { read: 'work', write: 'work' },
  load: async () => (await import('./worker-routes.ts')).workerRoutes,
  describe: async () => (await import('./worker-routes.ts')).endpoints,
}

/**
 * Makes the surface `/api/operations`.
 * @param loadDocument loads the OpenAPI document of all surfaces, with what operations take
 */
export function operationSurface(loadDocument: (operations: Operations) => Promise<object>): Surface {
  return {
    name,
    description,
    mount: '/api/operations',
    errors: CODED_ERRORS,
    scopes: { read: 'operations:read', write: 'operations:write' },
    rates: { read: 'operations.read', write: 'operations.write' },
    load: async () => {
      const { operationRoutes } = await import('./operation-routes.ts')
      return (deps) => operationRoutes(deps, loadDocument)
    },
    describe: async () => (await import('./operation-routes.ts')).endpoints,
  }
}
