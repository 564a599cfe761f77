/** The surface of callbacks, `/api/callbacks`: receivers of calls finish there what they took. */
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import type { Surface } from '../../http/surface.ts'

export const callbacks: Surface = {
  name: 'Callbacks',
  description:
    'Where receivers of calls finish what they took: by the signed address that they were given, without a key.',
  mount: '/api/callbacks',
  errors: CODED_ERRORS,
  scopes: { read: 'read', write: 'write' },
  publicPaths: ['/api/callbacks/'],
  load: async () => (await import('./routes.ts')).callbackRoutes,
  describe: async () => (await import('./routes.ts')).endpoints,
}
