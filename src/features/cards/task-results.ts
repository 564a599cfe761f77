/** Presents the results of ended tasks in the format of the card surface. */
import * as z from 'zod'
import { MillraceError } from '../../errors.ts'
import { artifactUrl } from '../../http/auth/tokens.ts'
import type { AppDeps } from '../../http/context.ts'
import { publicPath } from '../../http/response/public-address.ts'
import { CsvFacts } from './import/task.ts'
import { earned } from './queries/cards.ts'
import type { CardTask, CardTaskResult } from './queries/tasks.ts'
import {
  CardError,
  type DeleteResult,
  EXPORT_FORMATS,
  type ExportResult,
  ImportError,
  type ImportResult,
  MAX_CARDS,
  MAX_ERRORS,
  type UnfinishedExport,
  type WithheldExport,
} from './schemas.ts'

const MAX_INLINE_BYTES = 32 * 1024 * 1024

/** Presents the result of an import, a delete or a restore. */
export function presentResult(
  deps: Pick<AppDeps, 'publicUrl'>,
  task: CardTask,
  found: CardTaskResult,
): ImportResult | DeleteResult {
  const count = (name: string) => found.counts[name] ?? 0
  const cards_failed = count('failed') + found.lostCards
  const duration_seconds = task.duration
  if (task.operation !== 'cards.import') {
    const done = task.operation === 'cards.delete' ? 'cards_deleted' : 'cards_restored'
    const number = count('deleted') + count('restored')
    return { [done]: number, cards_failed, errors: errorsOf(CardError, found, lostIds), duration_seconds }
  }
  return {
    cards_imported: count('imported'),
    cards_failed,
    cards_published: count('published'),
    cards_skipped: count('skipped'),
    cards_updated: count('updated'),
    cards_valid: count('valid'),
    extropy_earned: earned(count('published')),
    errors: errorsOf(ImportError, found, lostSlices).sort((a, b) => a.index - b.index),
    ...csvFacts(found),
    ...(cards_failed > 0 ? { rejected_url: publicPath(deps, `/bulk/import/${task.id}/rejected`) } : {}),
    duration_seconds,
  }
}

/** Presents the facts of a CSV or a sheet, and the warnings about it. */
function csvFacts(found: CardTaskResult) {
  if (found.csv === null) return { warnings: [] }
  const { encoding, detected, separator, emptyRows, warnings } = CsvFacts.parse(found.csv)
  const rows_header = found.counts.headers ?? 0
  const some = found.headerRows.join(', ') + (rows_header > found.headerRows.length ? ' …' : '')
  return {
    ...(encoding === undefined ? {} : { encoding }),
    ...(separator === undefined ? {} : { separator }),
    ...(found.sheet === null ? {} : { sheet: found.sheet }),
    rows_empty: emptyRows,
    rows_header,
    warnings: [
      ...(detected
        ? [
            'The CSV is not UTF-8 and was read as Windows-1252. Where it is not that, send it again with its charset: "text/csv; charset=…".',
          ]
        : []),
      ...warnings,
      ...(rows_header > 0
        ? [
            `The header stands once more in ${rows_header === 1 ? `row ${some}, which is no card` : `rows ${some}, which are no cards`}.`,
          ]
        : []),
    ],
  }
}

function errorsOf<T>(one: z.ZodType<T>, found: CardTaskResult, lost: (found: CardTaskResult) => T[]): T[] {
  return [...z.array(one).parse(found.errors), ...lost(found)].slice(0, MAX_ERRORS)
}

const Slice = z.object({ first: z.int(), count: z.int() })

/** Presents lost slices as errors, one a slice, because its cards failed together. */
function lostSlices({ lost }: CardTaskResult): ImportError[] {
  return lost.map(({ input, error }) => {
    const { first, count } = Slice.parse(input)
    return { index: first, title: '', error: `Cards ${first + 1}–${first + count} were not imported: ${error}` }
  })
}

function lostIds({ lost }: CardTaskResult): z.infer<typeof CardError>[] {
  return lost.flatMap(({ input, error }) =>
    z
      .array(z.string())
      .parse(input)
      .map((card_id) => ({ card_id, error })),
  )
}

const Exported = z.object({
  key: z.string(),
  filename: z.string(),
  size: z.int(),
  sha256: z.string(),
  contentType: z.string(),
  format: z.enum(EXPORT_FORMATS),
  cards: z.int(),
  failed: z.int(),
  errors: z.array(CardError),
})

/** An export's result, and the text of a small one. */
export interface ExportParts {
  readonly result: ExportResult
  readonly text: ReadableStream<Uint8Array> | null
}

/** Presents the result of an export to a caller without the right to the file. */
export function presentWithheld(task: CardTask, first: unknown): WithheldExport {
  const made = Exported.parse(first)
  return {
    cards_exported: made.cards,
    cards_failed: made.failed,
    export_format: made.format,
    file_size_bytes: made.size,
    filename: made.filename,
    sha256: made.sha256,
    errors: made.errors,
    duration_seconds: task.duration,
  }
}

/** Presents the result of an export, with a freshly signed URL. */
export async function presentExport(
  deps: Pick<AppDeps, 'auth' | 'clock' | 'blobs' | 'publicUrl'>,
  owner: string,
  task: CardTask,
  first: unknown,
): Promise<ExportParts> {
  const made = Exported.parse(first)
  const { url, expiresAt } = await artifactUrl(deps, owner, task.id)
  const isSmall = made.cards <= MAX_CARDS && made.size <= MAX_INLINE_BYTES && !made.filename.endsWith('.gz')
  const result: ExportResult = {
    ...presentWithheld(task, first),
    download_url: url,
    download_expires_at: new Date(expiresAt).toISOString(),
  }
  if (!isSmall) return { result, text: null }
  const text = await deps.blobs.get(made.key)
  // A deleted file is an error, other than a file that is too large to be included in the answer.
  if (text === null) throw new MillraceError('NOT_FOUND', 'This export was deleted while it was read.')
  return { result, text }
}

const Begun = Exported.pick({ cards: true, failed: true, errors: true })

/** Presents the result of an export without a file: the counts of its last checkpoint. */
export function presentUnfinished(task: CardTask, { checkpoint }: CardTaskResult): UnfinishedExport {
  const { cards, failed, errors } = Begun.safeParse(checkpoint).data ?? { cards: 0, failed: 0, errors: [] }
  return {
    cards_exported: cards,
    cards_failed: failed,
    export_format: Exported.shape.format.parse(task.format),
    errors,
    duration_seconds: task.duration,
  }
}
