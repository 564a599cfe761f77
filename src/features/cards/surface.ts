/** The surfaces of cards: bulk work, and the pages of published ones. */
import { CODED_ERRORS, SENTENCE_ERRORS } from '../../http/response/error-formats.ts'
import type { Surface } from '../../http/surface.ts'

/** `/bulk/*`. */
export const cards: Surface = {
  name: 'Cards',
  description: 'Import, export, delete and restore of cards, each a task that goes on by itself.',
  mount: '/bulk',
  errors: SENTENCE_ERRORS,
  scopes: { read: 'cards:read', write: 'cards:write' },
  writeScopes: { '/bulk/export': 'exports:write' },
  rates: { read: 'bulk.read', write: 'bulk.import' },
  creations: {
    '/bulk/import': 'bulk.import',
    '/bulk/import/file': 'bulk.import',
    '/bulk/export': 'bulk.export',
    '/bulk/delete': 'bulk.delete',
    '/bulk/restore': 'bulk.delete',
  },
  publicPaths: ['/bulk/health'],
  load: async () => {
    const [{ cardRoutes }, { taskRoutes }] = await Promise.all([import('./routes.ts'), import('./task-routes.ts')])
    return (deps) => cardRoutes(deps).route('/', taskRoutes(deps))
  },
  describe: async () => [...(await import('./routes.ts')).endpoints, ...(await import('./task-routes.ts')).endpoints],
}

/** `GET /cards/:slug`. */
export const cardPages: Surface = {
  name: 'Pages',
  description: 'Pages for everybody who has their address. They say that they are not to be indexed.',
  mount: '/cards',
  errors: CODED_ERRORS,
  scopes: { read: 'read', write: 'write' },
  publicPaths: ['/cards/'],
  load: async () => (await import('./card-page.ts')).cardPageRoutes,
  describe: async () => (await import('./card-page.ts')).endpoints,
}
