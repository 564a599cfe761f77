/** Builds the Worker once for all suites of the project `edge`. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildEdge } from '../../scripts/build-edge.ts'

/** @returns what removes it again */
export default async function setup(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-edge-'))
  // Test processes inherit these.
  process.env.EDGE_BUILD = join(folder, 'worker')
  process.env.EDGE_COUNTING_BUILD = join(folder, 'counting')
  await buildEdge(process.env.EDGE_BUILD)
  await buildEdge(process.env.EDGE_COUNTING_BUILD, 'test/server/edge-counting.ts')
  return () => rm(folder, { recursive: true, force: true })
}
