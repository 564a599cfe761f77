/** Surfaces of heat sheets: extraction, shared results, and their pages. */
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import type { Surface } from '../../http/surface.ts'

/** `POST /api/batch/extract`. It creates a batch, which is followed and controlled like every batch. */
export const extraction: Surface = {
  name: 'Batch',
  description: 'Heat sheets and batches of any operation: created, followed live, paused, cancelled.',
  mount: '/api/batch',
  prefixes: ['/api/batch/extract'],
  errors: CODED_ERRORS,
  scopes: { read: 'batch:read', write: 'batch:write' },
  rates: { read: 'batch.read', write: 'batch.write' },
  creations: { '/api/batch/extract': 'batch.create' },
  reservedIds: ['extract'],
  load: async () => {
    const [{ extractRoutes }, { batchCalendarRoutes }, { changesRoutes }] = await Promise.all([
      import('./routes.ts'),
      import('./calendar-routes.ts'),
      import('./changes-routes.ts'),
    ])
    return (deps) => extractRoutes(deps).route('/', batchCalendarRoutes(deps)).route('/', changesRoutes(deps))
  },
  describe: async () => [
    ...(await import('./routes.ts')).endpoints,
    ...(await import('./calendar-routes.ts')).endpoints,
    ...(await import('./changes-routes.ts')).endpoints,
  ],
}

/** `/api/result/:code`. */
export const sharedResults: Surface = {
  name: 'Batch',
  description: 'Heat sheets and batches of any operation: created, followed live, paused, cancelled.',
  mount: '/api/result',
  errors: CODED_ERRORS,
  scopes: { read: 'batch:read', write: 'batch:write' },
  rates: { read: 'batch.read', write: 'batch.write' },
  publicReads: ['/api/result/'],
  load: async () => (await import('./shared-routes.ts')).sharedResultRoutes,
  describe: async () => (await import('./shared-routes.ts')).endpoints,
}

/** `GET /results/:code`. */
export const resultPages: Surface = {
  name: 'Pages',
  description: 'Pages for everybody who has their address. They say that they are not to be indexed.',
  mount: '/results',
  errors: CODED_ERRORS,
  scopes: { read: 'read', write: 'write' },
  publicPaths: ['/results/'],
  load: async () => (await import('./result-page.ts')).resultPageRoutes,
  describe: async () => (await import('./result-page.ts')).endpoints,
}
