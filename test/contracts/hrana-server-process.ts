/** The server of hrana-server.ts as a process, on a database of its own: tells its parent its origin, and ends with it. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { openHome } from '../engine/home.ts'
import { startHranaServer } from './hrana-server.ts'

const { folder } = await openHome()
const { origin } = await startHranaServer(join(folder, 'millrace.db'), 'a-token')
process.on('disconnect', () => {
  rmSync(folder, { recursive: true, force: true })
  process.exit()
})
process.send?.(origin)
