/** A server to be followed in whichever home the suite runs for, and a pen that writes its event log: what is the same in both. */
import type { Database, Notifier } from '../../src/ports.ts'
import { ON_EDGE } from '../server/harness.ts'
import type { Pen } from './pen.ts'
import { openLive } from './rig.ts'

/** A server that listens, its database, and how it is told of what was written there. */
export interface LiveServer {
  readonly url: string
  readonly db: Database
  readonly notifier: Notifier
  readonly pen: Pen
  streamUrl(batchId: string): string
  /** How much is held for those who follow these batches: the sockets of their objects at the edge; on Node streams and logs, of any. */
  held(batchIds: readonly string[]): Promise<number>
  /** Ends what a home may end at any moment while streams are open: at the edge the object of a batch, with its sockets or without. */
  upset(batchId: string): Promise<void>
  close(): Promise<void>
}

/** Starts one. @param options.notifier stands between the pen and the server */
export async function openLiveServer(options: { notifier?: (inner: Notifier) => Notifier } = {}): Promise<LiveServer> {
  if (!ON_EDGE) return openLive(options)
  // Only there is the platform's runtime wanted.
  const { openLiveAtEdge } = await import('./edge-rig.ts')
  return openLiveAtEdge(options)
}
