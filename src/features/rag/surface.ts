/** The surface of searchable documents, `/api/public/bulk`. */

import type { Env } from '../../http/context.ts'
import { PROCESSING_ERRORS } from '../../http/response/error-formats.ts'
import type { Surface } from '../../http/surface.ts'
import { MOUNT, SOCKET_PATH } from './names.ts'

export const rag: Surface = {
  name: 'Documents',
  description:
    'Documents read, cut into chunks, embedded, stored, searched and exported; each job followed over a WebSocket.',
  mount: MOUNT,
  errors: PROCESSING_ERRORS,
  scopes: { read: 'rag:read', write: 'rag:write' },
  rates: { read: 'rag.read', write: 'rag.write' },
  routeRates: {
    [`${MOUNT}/job/:job_id/status`]: 'rag.status',
    [`${MOUNT}/export/:export_id/status`]: 'rag.status',
    [`${MOUNT}/content`]: 'rag.content',
  },
  creations: { [`${MOUNT}/process`]: 'rag.process', [`${MOUNT}/export`]: 'rag.export' },
  keysInBodies: true,
  readingPosts: [`${MOUNT}/search`],
  sockets: [SOCKET_PATH],
  load: async () => {
    const [{ Hono }, routes, documents, channels, transcripts, exports, follow] = await Promise.all([
      import('hono'),
      import('./process-routes.ts'),
      import('./document-routes.ts'),
      import('./channels/routes.ts'),
      import('./transcript/routes.ts'),
      import('./export-routes.ts'),
      import('./follow-routes.ts'),
    ])
    return (deps) =>
      new Hono<Env>()
        .route('/', routes.processRoutes(deps))
        .route('/', documents.documentRoutes(deps))
        .route('/', channels.channelRoutes(deps))
        .route('/', transcripts.transcriptRoutes(deps))
        .route('/', exports.exportRoutes(deps))
        .route('/', follow.followRoutes(deps))
  },
  describe: async () => {
    const modules = await Promise.all([
      import('./process-routes.ts'),
      import('./follow-routes.ts'),
      import('./document-routes.ts'),
      import('./channels/routes.ts'),
      import('./transcript/routes.ts'),
      import('./export-routes.ts'),
    ])
    return modules.flatMap(({ endpoints }) => endpoints)
  },
}
