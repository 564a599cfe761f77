/** The surfaces of heat sheets: extraction, and the pages of its results. */
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import type { Surface } from '../../http/surface.ts'

/** `POST /api/batch/extract`. What it makes is a batch, followed and steered as any other. */
export const extraction: Surface = {
  name: 'Batch',
  description: 'Heat sheets and batches of any operation: made, followed live, steered.',
  mount: '/api/batch',
  prefixes: ['/api/batch/extract'],
  errors: CODED_ERRORS,
  scopes: { read: 'batch:read', write: 'batch:write' },
  rates: { read: 'batch.read', write: 'batch.write' },
  creations: { '/api/batch/extract': 'batch.create' },
  reservedIds: ['extract'],
  load: async () => (await import('./routes.ts')).extractRoutes,
  describe: async () => (await import('./endpoints.ts')).endpoints,
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
  describe: async () => (await import('./page-endpoints.ts')).endpoints,
}
