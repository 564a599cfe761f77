/** The surface of secrets, `/api/secrets`. */
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import type { Surface } from '../../http/surface.ts'

export const secrets: Surface = {
  name: 'Secrets',
  description: 'Secrets that calls of other services name. Their values are put, used and never shown.',
  mount: '/api/secrets',
  errors: CODED_ERRORS,
  scopes: { read: 'secrets:read', write: 'secrets:write' },
  rates: { read: 'secrets.read', write: 'secrets.write' },
  load: async () => (await import('./routes.ts')).secretRoutes,
  describe: async () => (await import('./routes.ts')).endpoints,
}
