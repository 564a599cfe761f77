/** Builds the Worker once for all suites that talk to it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildEdge } from '../../../scripts/build-edge.ts'

/** @returns what removes it again */
export default async function setup(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-worker-'))
  // Test processes inherit these.
  process.env.WORKER_BUILD = join(folder, 'worker')
  process.env.COUNTING_WORKER_BUILD = join(folder, 'counting')
  await buildEdge(process.env.WORKER_BUILD)
  process.env.MEASURED_WORKER_BUILD = join(folder, 'measured')
  await buildEdge(process.env.COUNTING_WORKER_BUILD, 'test/support/cloudflare/counting-worker.ts')
  await buildEdge(process.env.MEASURED_WORKER_BUILD, 'test/support/cloudflare/measured-worker.ts')
  return () => rm(folder, { recursive: true, force: true })
}
