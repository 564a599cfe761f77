/** A server to be followed in whichever platform the suite runs for, and a writer that writes its event log: what is the same in both. */
import type { Database, Notifier } from '../../src/ports.ts'
import type { EventWriter } from './event-writer.ts'
import { openLive } from './live-app.ts'
import { ON_CLOUDFLARE } from './server.ts'

/** A server that listens, its database, and how it is told of what was written there. */
export interface LiveServer {
  readonly url: string
  readonly db: Database
  readonly notifier: Notifier
  readonly writer: EventWriter
  streamUrl(batchId: string): string
  /** How much is held for those who follow these batches: the sockets of their objects on Cloudflare; on Node streams and logs, of any. */
  held(batchIds: readonly string[]): Promise<number>
  /** Ends what a platform may end at any moment while streams are open: on Cloudflare the object of a batch, with its sockets or without. */
  upset(batchId: string): Promise<void>
  close(): Promise<void>
}

/** Starts one. @param options.notifier stands between the writer and the server */
export async function openLiveServer(options: { notifier?: (inner: Notifier) => Notifier } = {}): Promise<LiveServer> {
  if (!ON_CLOUDFLARE) return openLive(options)
  // Only there is the platform's runtime wanted.
  const { openLiveOnCloudflare } = await import('./cloudflare/live-server.ts')
  return openLiveOnCloudflare(options)
}
