/**
 * Reads a document, a long one in stretches: hundreds of pages exceed the limits of a run, above all the CPU time of a Worker. The pages
 * of each stretch are stored as a blob, and the next run continues from there; the last run parses all of them into a sheet.
 */
import * as z from 'zod'
import { newUploadKey } from '../../engine/uploads.ts'
import type { RunContext } from '../../operation.ts'
import { type OpenedDocument, readBlob } from './document.ts'
import { Sheet } from './parser/sheet.ts'
import { type Reading, withSlot } from './reading.ts'

/** Most pages and milliseconds of reading in one run. Nearly every sheet is shorter, and read at once. */
const STRETCH = { pages: 64, ms: 10_000 }

const Stretch = z.object({ packed: z.instanceof(Uint8Array), next: z.int(), letters: z.int(), pages: z.int() })
const PageProgress = z.object({ page: z.int(), pages: z.int() })

/**
 * Continues reading.
 * @param reading checkpoint of an earlier run; pages of it that were deleted are read anew
 * @returns the sheet; or the checkpoint of this run, for the next one
 */
export async function readInStages(
  ctx: RunContext,
  document: OpenedDocument,
  reading: Reading | null,
): Promise<{ sheet: Sheet } | { reading: Reading }> {
  if (reading === null || reading.next <= reading.pages) return readStretch(ctx, document, reading)
  const sheet = await parsePages(ctx, reading)
  if (sheet !== null) return { sheet }
  await ctx.blobs.delete(reading.stretches)
  return readStretch(ctx, document, null, reading.cpuMs)
}

function readStretch(
  ctx: RunContext,
  document: OpenedDocument,
  before: Reading | null,
  cpuMs = 0,
): Promise<{ sheet: Sheet } | { reading: Reading }> {
  const reading = before ?? {
    document: document.fetched,
    stretches: [],
    next: 1,
    letters: 0,
    pages: 1,
    begun: 0,
    cpuMs,
    byModel: null,
  }
  return withSlot(ctx, reading, async (budget) => {
    const pdf = await document.bytes()
    const from = { page: reading.next, letters: reading.letters }
    const answer = await budget.run(
      'heat-sheet.parse',
      (leftMs) => ({ pdf, from, most: { ...STRETCH, ms: Math.min(STRETCH.ms, leftMs) } }),
      { transfer: [pdf.buffer], onProgress: (value) => reportProgress(ctx, value) },
    )
    const stretch = Stretch.safeParse(answer)
    if (!stretch.success) return { sheet: Sheet.parse(answer) }
    const { packed, ...read } = stretch.data
    const key = newUploadKey('.pages')
    await ctx.blobs.put(key, packed)
    const stretches = [...reading.stretches, key]
    return {
      reading: { document: document.fetched, stretches, ...read, begun: 0, cpuMs: budget.spentMs, byModel: null },
    }
  })
}

function reportProgress(ctx: RunContext, value: unknown): void {
  const { page, pages } = PageProgress.parse(value)
  ctx.progress(10 + (85 * page) / pages, `Reading page ${page} of ${pages}`)
}

/** Parses the pages of all stretches; null where some were deleted. */
function parsePages(ctx: RunContext, reading: Reading): Promise<Sheet | null> {
  ctx.progress(95, `Putting ${reading.pages} pages together`)
  return withSlot(ctx, reading, async (budget) => {
    const stretches: Uint8Array<ArrayBuffer>[] = []
    for (const key of reading.stretches) {
      const bytes = await readBlob(ctx, key)
      if (bytes === null) return null
      stretches.push(bytes)
    }
    const transfer = stretches.map(({ buffer }) => buffer)
    return Sheet.parse(await budget.run('heat-sheet.parse-pages', () => ({ stretches }), { transfer }))
  })
}
