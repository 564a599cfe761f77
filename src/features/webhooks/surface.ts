/** The surface of webhook deliveries, `/api/webhooks`. */
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import type { Surface } from '../../http/surface.ts'

export const webhooks: Surface = {
  name: 'Webhooks',
  description: 'What webhooks were sent, and what came of it.',
  mount: '/api/webhooks',
  errors: CODED_ERRORS,
  scopes: { read: 'webhooks:read', write: 'webhooks:write' },
  rates: { read: 'webhooks.read', write: 'webhooks.write' },
  load: async () => (await import('./routes.ts')).webhookRoutes,
  describe: async () => (await import('./routes.ts')).endpoints,
}
