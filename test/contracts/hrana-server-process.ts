/** The server of hrana-server.ts as a process, on a database of its own: tells its parent its origin, and ends with it. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { openPlatform } from '../support/platform.ts'
import { startHranaServer } from './hrana-server.ts'

const { folder } = await openPlatform()
const { origin } = await startHranaServer(join(folder, 'millrace.db'), 'a-token')
process.on('disconnect', () => {
  rmSync(folder, { recursive: true, force: true })
  process.exit()
})
process.send?.(origin)
