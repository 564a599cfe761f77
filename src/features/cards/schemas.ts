/** Schemas of the requests and answers of the card surface, `/bulk`. */
import * as z from 'zod'
import { Instant, list, optional, text, wholeNumber, withDefault } from '../../http/request/fields.ts'
import { WebhookRequest } from '../../http/request/webhook-request.ts'
import { LosslessNumber } from '../../lossless-json.ts'

/** Most cards in one JSON body, and most ids in one delete, restore or export. */
export const MAX_CARDS = 10_000
/** Most cards in one streamed body (NDJSON, CSV). */
export const MAX_STREAMED_CARDS = 1_000_000
/** Most bytes of a card as it is sent. */
export const MAX_CARD_BYTES = 1_000_000
/** Most values and member names of a card, or of its metadata in a CSV. */
export const MAX_CARD_VALUES = 50_000
/** Most failures that a result lists; all are counted. */
export const MAX_ERRORS = 100

/** Rows of a ledger are numbered from 1. */
const MAX_LEDGER_ROWS = 999_999_999_999_999

/** Most levels of nested metadata. SQLite would read JSON of up to 1,000 levels, but clients and formats may not. */
export const MAX_METADATA_DEPTH = 100

/** Returns true where a JSON value is nested at most `depth` levels deep. */
export function isShallow(value: unknown, depth = MAX_METADATA_DEPTH): boolean {
  if (typeof value !== 'object' || value === null || value instanceof LosslessNumber) return true
  if (depth === 0) return false
  for (const inner of Object.values(value)) if (!isShallow(inner, depth - 1)) return false
  return true
}

/** Text, trimmed. */
const word = (bounds: { min?: number; max: number }) => z.string('Input should be text').trim().pipe(text(bounds))

const OBJECT = 'Input should be an object'
const TOO_DEEP = `Input should be nested at most ${MAX_METADATA_DEPTH} levels deep`
const isShallowEnough = (metadata: unknown) => isShallow(metadata)

/** Returns true for a JSON object: no array, and no lossless number. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof LosslessNumber)
}

/** Metadata, unchanged and with members of any name: a record of zod would drop one named `__proto__`. */
const Metadata = z
  .custom<Record<string, unknown>>(isJsonObject, OBJECT)
  .refine(isShallowEnough, TOO_DEEP)
  .meta({ type: 'object', additionalProperties: {} })

const FLAGS = 'Input should be true or false'

const source = (max: number) =>
  optional(text({ max }))
    .transform((value) => (value === '' ? undefined : value))
    .describe('An empty one is none.')

/** A card to import. Other members of an exported card (`id`, `published_url`, dates) are ignored. */
export const NewCard = z
  .object({
    title: text({ min: 1, max: 1_000 }),
    body: text({ max: 250_000 }),
    category: text({ min: 1, max: 200 }),
    privacy_level: word({ min: 1, max: 100 }).describe('Without blanks around it, as tags.'),
    tags: withDefault(
      list(word({ max: 200 }), 200, {
        notAList: 'Input should be an array of texts',
        tooLong: 'Input should have at most 200 items',
      }),
      [],
    )
      .transform((tags) => tags.filter((tag) => tag !== ''))
      .describe('Without blanks around them, and without those that are nothing else.'),
    source_platform: source(200),
    source_url: source(4_000),
    metadata: withDefault(Metadata, {}),
  })
  .meta({ id: 'NewCard' })
export type NewCard = z.infer<typeof NewCard>

/** Options of all tasks. */
const TASK = {
  run_at: optional(Instant).describe('When it may begin.'),
  webhook: optional(WebhookRequest).describe('Receiver of its events.'),
}

/** Options of an import, for all forms of bodies. */
export const ImportOptions = z.strictObject({
  publish_business: withDefault(z.boolean(FLAGS), true),
  publish_ideas: withDefault(z.boolean(FLAGS), true),
  on_duplicate: optional(z.enum(['skip', 'update', 'fail'], 'Input should be skip, update or fail')).describe(
    'What to do with a card whose title and body the owner has already; left out: import it all the same.',
  ),
  validate_only: withDefault(z.boolean(FLAGS), false).describe('Checks every card and writes none.'),
  ...TASK,
})
export type ImportOptions = z.infer<typeof ImportOptions>

const FLAG = z.enum(['true', 'false', '1', '0'], FLAGS)
const flag = (fallback: boolean) =>
  withDefault(FLAG, String(fallback)).transform((word) => word === 'true' || word === '1')

/** The same in the query string, for bodies of cards only. */
export const ImportQuery = ImportOptions.extend({
  publish_business: flag(true),
  publish_ideas: flag(true),
  validate_only: flag(false),
  columns: optional(z.string()).describe(
    'Of a CSV or a workbook: JSON that names the field of a card for columns with other names, `{"Headline":"title"}`.',
  ),
  webhook: optional(WebhookRequest.shape.url)
    .transform((url) => (url === undefined ? undefined : { url }))
    .describe('URL of a webhook, whose secret is generated.'),
})

/** `POST /bulk/import` as JSON. The cards themselves are validated later, one by one. */
export const ImportRequest = ImportOptions.extend({
  cards: withDefault(z.array(z.unknown(), 'Input should be an array of cards'), []),
})

export const EXPORT_FORMATS = ['json', 'ndjson', 'markdown', 'csv'] as const
export type ExportFormat = (typeof EXPORT_FORMATS)[number]

const CARD_ID = 'Input should be the id of a card'
const CardId = z
  .string(CARD_ID)
  .min(1, CARD_ID)
  .max(128, CARD_ID)
  .refine((id) => id.isWellFormed(), CARD_ID)
const words = list(text({ min: 1, max: 200 }), 1_000, {
  notAList: 'Input should be an array of texts',
  tooLong: 'Input should have at most 1000 items',
})
/** Ids of cards. One more than the limit is accepted, for the route to refuse it in the words of the original API. */
const cardIds = list(CardId, MAX_CARDS, { notAList: 'Input should be an array of card ids', cut: true })

/** `POST /bulk/export`. */
export const ExportRequest = z
  .strictObject({
    card_ids: optional(
      cardIds.refine((ids) => ids.length > 0, 'Input should name a card; leave it out to export all cards'),
    ).describe('Null or left out: all.'),
    privacy_levels: optional(words).describe('Compared without case. Null, left out or empty: cards of all levels.'),
    categories: optional(words),
    published_only: withDefault(z.boolean(FLAGS), false),
    format: withDefault(z.string('Input should be text'), 'json'),
    include_metadata: withDefault(z.boolean(FLAGS), true).describe(
      'Whether cards carry their metadata: a field in JSON, a last column in CSV, a line in Markdown.',
    ),
    compression: optional(z.enum(['gzip'], 'Input should be gzip')),
    bom: withDefault(z.boolean(FLAGS), false).describe(
      'Begins a CSV with a byte order mark, by which Excel knows UTF-8.',
    ),
    ...TASK,
  })
  .meta({ id: 'ExportRequest' })
export type ExportRequest = z.infer<typeof ExportRequest>

const ids = withDefault(cardIds, [])

/** `POST /bulk/delete`. */
export const DeleteRequest = z
  .strictObject({
    card_ids: ids,
    soft_delete: withDefault(z.boolean(FLAGS), true),
    ...TASK,
  })
  .meta({ id: 'DeleteRequest' })

/** `POST /bulk/restore`. */
export const RestoreRequest = z.strictObject({ card_ids: ids, ...TASK }).meta({ id: 'RestoreRequest' })

/** `GET /bulk/tokens`. */
export const ListTokens = z.strictObject({
  limit: wholeNumber({ min: 1, max: 1_000 }, 'Input should be a whole number from 1 to 1,000')
    .optional()
    .describe('At most 1,000.'),
  cursor: wholeNumber({ min: 1, max: MAX_LEDGER_ROWS }, 'Input should be the `next` of the page before')
    .optional()
    .describe('`next` of the page before.'),
})

/** The answer of routes that begin a task. */
export const TaskAccepted = z
  .object({
    task_id: z.string(),
    status: z.literal('PENDING'),
    message: z.string(),
    total: z.int().describe('Cards it goes through: of an export without `card_ids`, all that the caller has.'),
    estimated_duration_seconds: z.int(),
    check_status_url: z.string(),
    stream_url: z.string(),
    webhook_secret: z.string().optional().describe('The secret generated for its webhook, where none was given.'),
  })
  .meta({ id: 'TaskAccepted' })
export type TaskAccepted = z.infer<typeof TaskAccepted>

export const ImportError = z.object({
  index: z.int().describe('Place among the cards, from 0.'),
  row: z.int().optional().describe('Of a CSV or a sheet: the row, as spreadsheets number them; its header is row 1.'),
  title: z.string(),
  error: z.string(),
})
export type ImportError = z.infer<typeof ImportError>
export const CardError = z.object({ card_id: z.string(), error: z.string() })

export const ImportResult = z
  .object({
    cards_imported: z.int(),
    cards_failed: z.int(),
    cards_published: z.int(),
    cards_skipped: z.int().describe('Duplicates passed over, by `on_duplicate: skip`.'),
    cards_updated: z.int().describe('Cards that were there and have the new fields, by `on_duplicate: update`.'),
    cards_valid: z.int().describe('With `validate_only`, cards that would be imported; else 0.'),
    extropy_earned: z.string().describe('Eight decimals.'),
    errors: z.array(ImportError),
    encoding: z
      .string()
      .optional()
      .describe('Of a CSV: the encoding it was read in, as the Encoding Standard names it.'),
    separator: z.string().optional().describe('Of a CSV.'),
    sheet: z.string().optional().describe('Of a workbook: the sheet that was read.'),
    rows_empty: z.int().optional().describe('Of a CSV or a sheet: rows that hold nothing; they are no cards.'),
    rows_header: z
      .int()
      .optional()
      .describe('Of both: rows that repeat the header, as joined files do; no cards either.'),
    rejected_url: z
      .string()
      .optional()
      .describe('Where cards failed: a CSV of all of them with the reason of each; wants the same key.'),
    warnings: z.array(z.string()).default([]).describe('What to look at, though it is no failure.'),
    duration_seconds: z.number(),
  })
  .meta({ id: 'ImportResult' })
export type ImportResult = z.infer<typeof ImportResult>

export const ExportResult = z
  .object({
    cards_exported: z.int(),
    cards_failed: z.int(),
    export_format: z.enum(EXPORT_FORMATS),
    export_data: z
      .string()
      .nullable()
      .optional()
      .describe(
        'The whole text, of up to 10,000 cards and 32 MB; null for larger and compressed ones. Always the last field.',
      ),
    download_url: z.string().describe('Signed; good until `download_expires_at`.'),
    download_expires_at: z.iso.datetime(),
    filename: z.string(),
    file_size_bytes: z.int(),
    sha256: z.string(),
    errors: z.array(CardError),
    duration_seconds: z.number(),
  })
  .meta({ id: 'ExportResult' })
export type ExportResult = z.infer<typeof ExportResult>

/** Result of an export for a key without the scope `exports:read`: neither its text nor a download URL. */
export const WithheldExport = ExportResult.omit({
  export_data: true,
  download_url: true,
  download_expires_at: true,
}).meta({ id: 'WithheldExport' })
export type WithheldExport = z.infer<typeof WithheldExport>

/** Result of an export that failed or was cancelled, without a file. */
export const UnfinishedExport = ExportResult.pick({
  cards_exported: true,
  cards_failed: true,
  export_format: true,
  errors: true,
  duration_seconds: true,
})
  .extend({ cards_exported: z.int().describe('Cards that had been gone through, as far as it is known.') })
  .meta({ id: 'UnfinishedExport' })
export type UnfinishedExport = z.infer<typeof UnfinishedExport>

/** Result of a delete or a restore; each has its own count. */
export const DeleteResult = z
  .object({
    cards_deleted: z.int().optional(),
    cards_restored: z.int().optional(),
    cards_failed: z.int(),
    errors: z.array(CardError),
    duration_seconds: z.number(),
  })
  .meta({ id: 'DeleteResult' })
export type DeleteResult = z.infer<typeof DeleteResult>

/** The answer to `POST /bulk/import/:task_id/resume`. */
export const TaskResumed = TaskAccepted.pick({
  task_id: true,
  status: true,
  message: true,
  check_status_url: true,
}).meta({ id: 'TaskResumed' })
export type TaskResumed = z.infer<typeof TaskResumed>

const TASK_STATES = ['PENDING', 'STARTED', 'SUCCESS', 'FAILURE', 'RETRY'] as const

/** `GET /bulk/status/:task_id`. */
export const TaskStatus = z
  .object({
    task_id: z.string(),
    status: z.enum(TASK_STATES),
    progress: z.object({ current: z.int(), total: z.int(), percent: z.int() }).optional(),
    result: z
      .union([ImportResult, ExportResult, WithheldExport, UnfinishedExport, DeleteResult])
      .optional()
      .describe('What was done, also of a task that failed.'),
    error: z.string().optional().describe('Of FAILURE, and of RETRY: what went wrong.'),
    completed_at: z.iso.datetime().optional(),
  })
  .meta({ id: 'TaskStatus' })
export type TaskStatus = z.infer<typeof TaskStatus>

/** `GET /bulk/tokens`. Newest first; amounts have eight decimals. */
export const Tokens = z
  .object({
    balance: z.string(),
    ledger: z.array(
      z.object({
        id: z.int(),
        card_id: z.string(),
        task_id: z.string(),
        amount: z.string(),
        reason: z.string(),
        created_at: z.iso.datetime(),
      }),
    ),
    next: z.int().nullable(),
  })
  .meta({ id: 'Tokens' })
export type Tokens = z.infer<typeof Tokens>

/** `GET /bulk/health`. */
export const Health = z
  .object({
    status: z.enum(['healthy', 'degraded']),
    service: z.literal('bulk-operations'),
    version: z.string(),
    celery_workers: z.enum(['healthy', 'unavailable']),
    worker_count: z.int(),
  })
  .meta({ id: 'Health' })
export type Health = z.infer<typeof Health>
