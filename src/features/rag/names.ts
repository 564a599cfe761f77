/** Names of this feature's operations and paths, shared by its surface, routes and queries. */

export const PROCESS = 'rag.process'
export const EXPORT = 'rag.export'

/** Base path of the surface. */
export const MOUNT = '/api/public/bulk'
/** Prefix of the paths of WebSockets, before the id of a job. */
export const SOCKET_PATH = `${MOUNT}/ws/bulk-processing/`
