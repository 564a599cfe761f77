/** The server of fetch-server.ts as a process: tells its parent its origin, and ends with it. */
import { startFetchServer } from './fetch-server.ts'

const { origin } = await startFetchServer()
process.on('disconnect', () => process.exit())
process.send?.(origin)
