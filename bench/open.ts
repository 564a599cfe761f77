/** Items too many for one body: sent to an open batch in slices, through a real server whose memory is watched. */

import { type Passed, passThrough } from '../test/features/batches/slices.ts'
import { startServer } from '../test/support/server.ts'
import { shown } from './parts/report.ts'

const SIZES = [100_000, 1_000_000]
const SLICE_BYTES = 24_000_000
const TEXT = 64

/** @returns the section of the report */
export async function run(): Promise<string> {
  const lines: string[] = []
  for (const items of SIZES) {
    await using server = await startServer({ env: { LOG_LEVEL: 'error' } })
    lines.push(line(items, await passThrough(server, { items, sliceBytes: SLICE_BYTES, text: TEXT })))
  }
  return `## Open batches: items in slices

Items of one batch, sent to a server of its own over HTTP as NDJSON in slices of ${SLICE_BYTES / 1e6} MB, one after the other, then sealed; jobs run from the
first slice on. Accepted: until the last slice was answered, all items on disk. Done: until the batch had ended. Memory is the most that the server's process ever
had resident, its code (some 200 MB with its compiler cache) and the database's cache of 64 MB among it. Afterwards jobs and events are counted, and a number that
each item carries is summed.

| items | slices | MB | accepted, s | items/s | done, s | items/s | peak memory, MB |
|---|---|---|---|---|---|---|---|
${lines.join('\n')}`
}

function line(items: number, { slices, bytes, acceptMs, runMs, peakBytes }: Passed): string {
  const timed = [acceptMs, runMs].flatMap((ms) => [shown(ms / 1_000), shown((1_000 * items) / ms)])
  return `| ${items.toLocaleString('en')} | ${slices} | ${shown(bytes / 1e6)} | ${timed.join(' | ')} | ${shown(peakBytes / 2 ** 20)} |`
}
