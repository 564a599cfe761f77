/**
 * Reading a document, a long one in stretches: what a run may take (the CPU time of a Worker above all) is less than what hundreds of pages
 * need. Each stretch's pages go to the blob store, and the next run goes on from there; the last one makes a sheet of all of them.
 */
import { uuidv7 } from 'uuidv7'
import * as z from 'zod'
import { MillraceError } from '../../errors.ts'
import type { RunContext } from '../../ports.ts'
import { type OpenedDocument, readBlob } from './document.ts'
import { Sheet } from './parser/sheet.ts'

/** Pages and milliseconds that one run reads at most. Nearly every sheet is shorter, and read at once. */
const STRETCH = { pages: 64, ms: 10_000 }

/** Progress of reading a document, as a checkpoint keeps it. */
const Reading = z.object({
  /** The document itself, where it was fetched from a link. */
  document: z.object({ key: z.string(), md5: z.string() }).nullable(),
  /** Keys of the pages read so far, packed. */
  stretches: z.array(z.string()),
  next: z.int(),
  letters: z.int(),
  pages: z.int(),
  /** Runs that read on from here in the server's own memory and were never heard of again. */
  begun: z.int().default(0),
  /** CPU time that the runs so far took, in milliseconds. */
  cpuMs: z.number().default(0),
})
export type Reading = z.infer<typeof Reading>

const Stretch = z.object({ packed: z.instanceof(Uint8Array), next: z.int(), letters: z.int(), pages: z.int() })
const PageProgress = z.object({ page: z.int(), pages: z.int() })

/** Returns the progress that an earlier run kept; null where this is the first. */
export function readingOf(checkpoint: unknown): Reading | null {
  return Reading.safeParse(checkpoint).data ?? null
}

/**
 * Reads on.
 * @param reading where an earlier run came to; what it put away and is gone is read anew
 * @returns the sheet; or where this run came to, to be kept and gone on from
 */
export async function readOn(
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

/** Deletes what the runs before kept for this one, once it is of no more use. What no run deletes is swept, since no row names it. */
export async function forget(
  ctx: RunContext,
  { document, stretches }: Pick<Reading, 'document' | 'stretches'>,
): Promise<void> {
  await ctx.blobs.delete([...stretches, ...(document === null ? [] : [document.key])])
}

/** As often a document may end the server that reads it. Fewer than a job may lose its server: those beside it, which did it no harm, go on. */
const MAX_BEGUN = 3

/** Runs a task on the document within what is left of its CPU time. */
type RunTask = (
  task: 'heat-sheet.parse' | 'heat-sheet.parse-pages',
  inputOf: (leftMs: number) => object,
  options: Pick<NonNullable<Parameters<RunContext['compute']['run']>[2]>, 'transfer' | 'onProgress'>,
) => Promise<unknown>

/** Limits the CPU time of all of a document's tasks, over all runs: bounded only for each stretch, heavy pages would hold a reader for hours. */
class CpuBudget {
  readonly #ctx: RunContext
  /** Milliseconds that the document has taken so far. */
  spentMs: number

  constructor(ctx: RunContext, spentMs: number) {
    this.#ctx = ctx
    this.spentMs = spentMs
  }

  get leftMs(): number {
    return this.#ctx.compute.documentCpuMs - this.spentMs
  }

  /** @throws MillraceError TOO_LARGE where nothing is left; as `Compute.run` does */
  readonly run: RunTask = async (task, inputOf, options) => {
    const { signal, compute } = this.#ctx
    const maxCpuMs = this.leftMs
    if (maxCpuMs <= 0) throw this.exceeded()
    const onCpuTime = (ms: number) => {
      this.spentMs += ms
    }
    return compute.run(task, inputOf(maxCpuMs), { ...options, signal, maxCpuMs, onCpuTime })
  }

  exceeded(): MillraceError {
    const seconds = this.#ctx.compute.documentCpuMs / 1_000
    const limit = `${seconds} second${seconds === 1 ? '' : 's'} of CPU time that one document may take`
    return new MillraceError(
      'TOO_LARGE',
      `The document takes too long to read: more than the ${limit} (MAX_DOCUMENT_CPU_SECONDS).`,
    )
  }
}

/**
 * Does what may take more memory or time than there is, when it is its turn. Where that ends the server, nobody is left to say so: what is
 * begun is written down first, and what was begun too often is not begun again.
 * @throws MillraceError TOO_LARGE; as `work` does
 */
function withSlot<T>(ctx: RunContext, place: Reading, work: (budget: CpuBudget) => Promise<T>): Promise<T> {
  const sharesServerMemory = ctx.compute.sharesServerMemory === true
  const begin = async () => {
    if (sharesServerMemory && place.begun >= MAX_BEGUN) {
      // Whoever tries again by hand begins anew.
      await ctx.checkpoint({ ...place, begun: 0 })
      throw new MillraceError('TOO_LARGE', 'The document needs too much memory: more than this server has.')
    }
    if (sharesServerMemory) await ctx.checkpoint({ ...place, begun: place.begun + 1 })
    const budget = new CpuBudget(ctx, place.cpuMs)
    try {
      return await work(budget)
    } catch (error) {
      const isExceeded = budget.leftMs <= 0
      const isKept = sharesServerMemory || place.cpuMs > 0 || (error instanceof MillraceError && error.transient)
      // The original error is thrown, whether or not this can be written. Whoever tries again by hand has a new budget.
      if (isKept && !ctx.signal.aborted) {
        await ctx.checkpoint({ ...place, cpuMs: isExceeded ? 0 : budget.spentMs }).catch(() => {})
      }
      throw isExceeded ? budget.exceeded() : error
    }
  }
  return ctx.compute.withSlot(begin, { signal: ctx.signal })
}

function readStretch(
  ctx: RunContext,
  document: OpenedDocument,
  before: Reading | null,
  cpuMs = 0,
): Promise<{ sheet: Sheet } | { reading: Reading }> {
  const place = before ?? { document: document.fetched, stretches: [], next: 1, letters: 0, pages: 1, begun: 0, cpuMs }
  return withSlot(ctx, place, async (budget) => {
    const pdf = await document.bytes()
    const from = { page: place.next, letters: place.letters }
    const answer = await budget.run(
      'heat-sheet.parse',
      (leftMs) => ({ pdf, from, most: { ...STRETCH, ms: Math.min(STRETCH.ms, leftMs) } }),
      { transfer: [pdf.buffer], onProgress: (value) => tell(ctx, value) },
    )
    const stretch = Stretch.safeParse(answer)
    if (!stretch.success) return { sheet: Sheet.parse(answer) }
    const { packed, ...read } = stretch.data
    const key = `uploads/${uuidv7()}.pages`
    await ctx.blobs.put(key, packed)
    const stretches = [...place.stretches, key]
    return { reading: { document: document.fetched, stretches, ...read, begun: 0, cpuMs: budget.spentMs } }
  })
}

function tell(ctx: RunContext, value: unknown): void {
  const { page, pages } = PageProgress.parse(value)
  ctx.progress(10 + (85 * page) / pages, `Reading page ${page} of ${pages}`)
}

/** Null where some of the pages are gone. */
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
