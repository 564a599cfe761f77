/** Builds the Worker once for all suites of the project `edge`. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildEdge } from '../../scripts/build-edge.ts'

/** @returns what removes it again */
export default async function setup(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-edge-'))
  await buildEdge(folder)
  // Test processes inherit it.
  process.env.EDGE_BUILD = folder
  return () => rm(folder, { recursive: true, force: true })
}
