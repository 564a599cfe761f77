/** Presents the results of ended tasks in the words of the card surface. */
import * as z from 'zod'
import { artifactUrl } from '../../http/auth/tokens.ts'
import type { AppDeps } from '../../http/context.ts'
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

/** The result of an import, a delete or a restore. */
export function presentResult(task: CardTask, found: CardTaskResult): ImportResult | DeleteResult {
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
    duration_seconds,
  }
}

function errorsOf<T>(one: z.ZodType<T>, found: CardTaskResult, lost: (found: CardTaskResult) => T[]): T[] {
  return [...z.array(one).parse(found.errors), ...lost(found)].slice(0, MAX_ERRORS)
}

const Slice = z.object({ first: z.int(), count: z.int() })

/** One entry a slice: its cards failed together. */
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

/** The result of an export for a caller that may not have the file. */
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

/** The result of an export, with a freshly signed address. */
export async function presentExport(
  deps: Pick<AppDeps, 'auth' | 'clock' | 'blobs'>,
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
  return { result, text: isSmall ? await deps.blobs.get(made.key) : null }
}

const Begun = Exported.pick({ cards: true, failed: true, errors: true })

/** The result of an export that made no file: how far it is known to have come. */
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
