/** The checkpoint of reading a document, and the limits of a run that reads it. */
import * as z from 'zod'
import { MillraceError } from '../../errors.ts'
import type { RunContext } from '../../operation.ts'
import { FetchedDocument } from './document.ts'

/** Checkpoint of reading a document. */
const Reading = z.object({
  /** The document itself, where it was fetched from a link. */
  document: FetchedDocument.nullable(),
  /** Keys of the pages read so far, packed. */
  stretches: z.array(z.string()),
  next: z.int(),
  letters: z.int(),
  pages: z.int(),
  /** Number of runs that began here in the server's own memory and crashed. */
  begun: z.int().default(0),
  /** CPU time that the runs so far took, in milliseconds. */
  cpuMs: z.number().default(0),
  /** State of a reading by a language model, where `stretches` are its checked answers; null where the parser reads. */
  byModel: z
    .object({
      /** The parser's error. */
      error: z.string(),
      /** Event and heat under which the next page begins. */
      under: z.object({ event: z.object({ number: z.int(), name: z.string() }), heat: z.int().nullable() }).nullable(),
    })
    .nullable()
    .default(null),
})
export type Reading = z.infer<typeof Reading>

/** Parses the checkpoint of an earlier run; null where this is the first. */
export function readingOf(checkpoint: unknown): Reading | null {
  return Reading.safeParse(checkpoint).data ?? null
}

/** Deletes the temporary files of earlier runs. Files that no run deletes are swept, because they have no row. */
export async function forget(
  ctx: RunContext,
  { document, stretches }: Pick<Reading, 'document' | 'stretches'>,
): Promise<void> {
  await ctx.blobs.delete([...stretches, ...(document === null ? [] : [document.key])])
}

/** Crashes of the server after which a document is refused. Fewer than the losses that fail a job, so that jobs beside it are not failed as well. */
const MAX_BEGUN = 3

/** Runs a task on the document within what is left of its CPU time. */
type RunTask = (
  task: 'heat-sheet.parse' | 'heat-sheet.parse-pages' | 'heat-sheet.text',
  inputOf: (leftMs: number) => object,
  options: Pick<NonNullable<Parameters<RunContext['compute']['run']>[2]>, 'transfer' | 'onProgress'>,
) => Promise<unknown>

/** Limits the CPU time of a document over all its runs: with a limit a stretch alone, heavy pages would occupy a process for hours. */
export class CpuBudget {
  readonly #ctx: RunContext
  /** CPU time of the document so far, in milliseconds. */
  spentMs: number

  constructor(ctx: RunContext, spentMs: number) {
    this.#ctx = ctx
    this.spentMs = spentMs
  }

  get leftMs(): number {
    return this.#ctx.compute.documentCpuMs - this.spentMs
  }

  /** @throws MillraceError TOO_LARGE where the budget is exhausted; as `Compute.run` does */
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
 * Runs work that may exceed memory or CPU time in a slot of Compute. An out-of-memory crash of the server cannot be caught, so the begin is
 * written to the checkpoint first, and a document that began too often is refused.
 * @throws MillraceError TOO_LARGE; as `work` does
 */
export function withSlot<T>(ctx: RunContext, reading: Reading, work: (budget: CpuBudget) => Promise<T>): Promise<T> {
  const sharesServerMemory = ctx.compute.sharesServerMemory === true
  const begin = async () => {
    if (sharesServerMemory && reading.begun >= MAX_BEGUN) {
      // A retry by hand begins anew.
      await ctx.checkpoint({ ...reading, begun: 0 })
      throw new MillraceError('TOO_LARGE', 'The document needs too much memory: more than this server has.')
    }
    if (sharesServerMemory) await ctx.checkpoint({ ...reading, begun: reading.begun + 1 })
    const budget = new CpuBudget(ctx, reading.cpuMs)
    try {
      return await work(budget)
    } catch (error) {
      const isExceeded = budget.leftMs <= 0
      const isKept = sharesServerMemory || reading.cpuMs > 0 || (error instanceof MillraceError && error.transient)
      // The original error is thrown even where this write fails. A retry by hand has a new budget.
      if (isKept && !ctx.signal.aborted) {
        await ctx.checkpoint({ ...reading, cpuMs: isExceeded ? 0 : budget.spentMs }).catch(() => {})
      }
      throw isExceeded ? budget.exceeded() : error
    }
  }
  return ctx.compute.withSlot(begin, { signal: ctx.signal })
}
