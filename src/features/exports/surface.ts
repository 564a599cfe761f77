/** The surface of exports, `/exports`. */
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import type { Surface } from '../../http/surface.ts'

export const exports: Surface = {
  name: 'Exports',
  description: 'Files that batches created.',
  mount: '/exports',
  errors: CODED_ERRORS,
  scopes: { read: 'exports:read', write: 'exports:write' },
  rates: { read: 'exports.read', write: 'exports.read' },
  load: async () => (await import('./routes.ts')).artifactRoutes,
  describe: async () => (await import('./routes.ts')).endpoints,
}
