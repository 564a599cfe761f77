/** Builds the Node server once for all suites that start it, before several of them would at their first start. */
import { buildNode } from '../../scripts/build-node.ts'

export default async function setup(): Promise<void> {
  await buildNode()
}
