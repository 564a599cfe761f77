/** Schemas of the requests and answers of the document surface, `/api/public/bulk`. */
import * as z from 'zod'
import { idCursor } from '../../http/request/cursor.ts'
import { Id, list, notAnObject, optional, text, withDefault } from '../../http/request/fields.ts'
import { PLATFORMS } from './channels/platforms.ts'
import { ChannelReport, ChannelSync, SyncRequest, WebUrl } from './channels/schemas.ts'

/** Path of a job. */
export const JobPath = z.strictObject({
  job_id: z.string().describe('The `job_id` that the job was begun under, or its batch id.'),
})
/** Most documents of one job. */
export const MAX_ITEMS = 1_000
/** Most characters of a link to a document. */
const MAX_URL_CHARACTERS = 8_192
/** Largest document, in bytes. */
export const MAX_DOCUMENT_BYTES = 50 * 1024 * 1024

const between = (min: number, max: number, fallback: number) => {
  const issue = `Must be a whole number between ${min} and ${max}`
  return withDefault(z.int(issue).min(min, issue).max(max, issue), fallback)
}
const flag = (fallback: boolean) => withDefault(z.boolean('Must be true or false'), fallback)
const label = optional(text({ max: 200 }))
const Collection = withDefault(Id, 'default').describe('Documents that are searched together.')

/** Error text for dimensions, in the words of the original API. */
const DIMENSIONS = 'Must be between 128 and 2048'

const EmbeddingModelRequest = z.strictObject(
  {
    id: text({ min: 1, max: 100 }).describe(
      '`local` on every server; `jina-v4`, `gemini-exp`, `openai`, `workers-ai` where its operator configured them.',
    ),
    label,
    dimensions: optional(z.int(DIMENSIONS).min(1, DIMENSIONS).max(8_192, DIMENSIONS)),
    max_tokens: between(512, 8_192, 8_192),
    jina_v4_task: withDefault(text({ max: 100 }), 'retrieval.passage'),
    jina_v4_dimensions: optional(z.int(DIMENSIONS).min(128, DIMENSIONS).max(2_048, DIMENSIONS)),
    jina_v4_late_chunking: flag(true),
    jina_v4_multi_vector: flag(false),
    jina_v4_optimize_for_rag: flag(true),
    jina_v4_truncate_at_max: flag(true),
  },
  notAnObject('Must be an object with the id of a model'),
)

const VectorDbRequest = z
  .looseObject(
    { id: text({ min: 1, max: 100 }), label },
    'Must be an object with the id of a store, such as {"id": "builtin"}',
  )
  .describe('A store that is named without a connection is the server’s own, `builtin`; the answer says so.')

const LANGUAGE = 'Must be the tag of a language, such as en or pt-BR'

const Settings = z.strictObject(
  {
    chunkSize: between(512, 4_096, 1_024),
    chunkOverlap: between(0, 500, 100),
    maxTokens: between(512, 8_192, 8_192),
  },
  notAnObject('Must be an object; {} takes the defaults'),
)

const UploadedDocument = z
  .strictObject(
    {
      id: Id,
      filename: optional(text({ min: 1, max: 255 })),
      text: optional(text({ max: 10 * 1024 * 1024 })).describe('Of a small document that was not uploaded.'),
      size: optional(z.number('Must be a number of bytes')).describe('As the upload was answered; passed over.'),
      content_type: optional(text({ max: 255 })).describe('As the upload was answered; passed over.'),
    },
    notAnObject('Must be an object with the id of an upload, or with id, filename and text'),
  )
  .describe('An upload by its `id`, or a small text inline.')

/** `POST /process`. */
export const ProcessRequest = z
  .strictObject({
    job_id: Id.describe('Your own id for the job; the same request repeated under it returns the first.'),
    platform: z.enum(PLATFORMS, `Must be one of ${PLATFORMS.join(', ')}`),
    input_method: z.enum(['channel', 'urls', 'upload'], 'Must be channel, urls or upload'),
    channel_url: optional(WebUrl).describe(
      'With `channel`: a channel of the platform; with `documents` a feed, or a page with players.',
    ),
    sync: optional(SyncRequest),
    pasted_urls: withDefault(
      list(WebUrl, MAX_ITEMS, {
        notAList: 'Must be an array of addresses',
        tooLong: `Must hold at most ${MAX_ITEMS} addresses`,
      }),
      [],
    ),
    selected_content: list(text({ min: 1, max: MAX_URL_CHARACTERS }), MAX_ITEMS, {
      notAList: 'Must be an array of ids; an empty one takes all',
      tooLong: `Must hold at most ${MAX_ITEMS} ids`,
    }).describe('Ids of the uploaded documents, of items of the channel, or the addresses, to process; empty: all.'),
    uploaded_documents: withDefault(
      list(UploadedDocument, MAX_ITEMS, {
        notAList: 'Must be an array of documents',
        tooLong: `Must hold at most ${MAX_ITEMS} documents`,
      }),
      [],
    ),
    embedding_model: EmbeddingModelRequest,
    vector_db: VectorDbRequest,
    settings: Settings,
    collection: Collection,
    language: optional(z.string(LANGUAGE).regex(/^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*$/, LANGUAGE)).describe(
      'Language that is spoken in recordings (BCP 47); absent: it is detected.',
    ),
    max_cost: optional(z.number('Must be an amount in dollars, such as 2.5').positive('Must be more than 0')).describe(
      'Dollars, by the prices of the operator; a job that costs more is cancelled.',
    ),
    user_id: optional(text({ max: 200 })).describe('A label; documents belong to the owner of the key.'),
  })
  .meta({ id: 'ProcessRequest' })
export type ProcessRequest = z.infer<typeof ProcessRequest>

/** Model and store of a job. */
const Used = {
  embedding_model: z.object({
    id: z.string(),
    dimensions: z.int().nullable().describe('Null where they are known with the first vector.'),
  }),
  vector_db: z.object({
    id: z.literal('builtin'),
    requested: z
      .string()
      .describe('As the request named it; `builtin` takes its place where it came without a connection.'),
  }),
  collection: z.string(),
}

/** The answer to `POST /process`. */
export const ProcessAccepted = z
  .object({
    success: z.literal(true),
    job_id: z.string(),
    message: z.string(),
    websocket_url: z.string().describe('Carries a token good for a day where calls need a key.'),
    estimated_time: z.string().describe('By what recent jobs took here: `10 minutes`.'),
    channel: ChannelReport.nullable().describe('What is done with the items of the channel; null without one.'),
    sync: ChannelSync.nullable().describe('Null where the channel is not processed by itself.'),
    ...Used,
  })
  .meta({ id: 'ProcessAccepted' })
export type ProcessAccepted = z.infer<typeof ProcessAccepted>

/** Query of `POST /process`. */
export const ProcessQuery = z.strictObject({
  dry_run: z
    .enum(['true', 'false'], 'Must be true or false')
    .default('false')
    .describe('`true`: estimate the work instead of beginning it.'),
})

/** The answer to `POST /process?dry_run=true`. */
export const ProcessEstimate = z
  .object({
    success: z.literal(true),
    dry_run: z.literal(true),
    items: z.int(),
    tokens: z.int().describe('By the sizes of texts; of other documents by the mean of your earlier ones.'),
    calls: z.int().describe('Requests to the service of the model; 0 for the local one.'),
    cost: z.number().nullable().describe('Dollars; null where the operator named no price of the model.'),
    estimated_time: z.string(),
    ...Used,
  })
  .meta({ id: 'ProcessEstimate' })
export type ProcessEstimate = z.infer<typeof ProcessEstimate>

export const PROCESS_STATUSES = ['pending', 'initializing', 'processing', 'completed', 'failed', 'cancelled'] as const

/** Result of a job that has ended. */
export const ProcessResult = z
  .object({
    status: z.enum(PROCESS_STATUSES),
    total_items: z.int(),
    completed_items: z.int(),
    failed_items: z.int(),
    skipped_items: z
      .int()
      .describe('Of the completed ones, those whose bytes had been processed under the same settings.'),
    embeddings: z.int(),
    processing_time: z.number().describe('Seconds.'),
    vector_db: z.string(),
    errors: z
      .array(z.object({ item: z.string(), error: z.string(), message: z.string() }))
      .describe('Of the first 100 items that failed.'),
  })
  .meta({ id: 'ProcessResult' })
export type ProcessResult = z.infer<typeof ProcessResult>

/** `GET /job/:job_id/status`. */
export const ProcessStatus = z
  .object({
    job_id: z.string(),
    status: z.enum(PROCESS_STATUSES),
    progress: z.number().describe('0–100.'),
    stage: z.string(),
    item_stage: z
      .string()
      .nullable()
      .describe(
        'Of the first item under way: initializing, fetching_content, processing_audio, transcribing, embedding, finalizing.',
      ),
    content_processed: z.int(),
    total_content: z.int(),
    embeddings: z.int(),
    channel: ChannelReport.nullable().describe('What was done with the items of the channel; null without one.'),
    error: z.string().nullable(),
    result: ProcessResult.nullable(),
  })
  .meta({ id: 'ProcessStatus' })
export type ProcessStatus = z.infer<typeof ProcessStatus>

/** `POST /uploads`, a form. */
export const UploadForm = z.object({ files: z.array(z.file()).min(1).max(MAX_ITEMS) }).meta({ id: 'UploadForm' })

export const Uploaded = z
  .object({
    success: z.literal(true),
    documents: z
      .array(z.object({ id: z.string(), filename: z.string(), size: z.int(), content_type: z.string() }))
      .describe('For `uploaded_documents`, within a day.'),
  })
  .meta({ id: 'Uploaded' })
export type Uploaded = z.infer<typeof Uploaded>

const filterList = optional(
  list(text({ min: 1, max: MAX_URL_CHARACTERS }), MAX_ITEMS, { notAList: 'Must be an array of texts' }),
)

const SEARCH_MODES = ['vector', 'text', 'hybrid'] as const
const HYBRID: (typeof SEARCH_MODES)[number] = 'hybrid'

/** `POST /search`. */
export const SearchQuery = z
  .strictObject({
    query: text({ min: 1, max: 4_000 }).refine((query) => query.trim() !== '', 'Must not be blank'),
    collection: Collection,
    job_id: optional(Id).describe('Only documents that this job processed.'),
    top_k: between(1, 100, 10),
    mode: withDefault(z.enum(SEARCH_MODES, 'Must be vector, text or hybrid'), HYBRID),
    filter: optional(
      z.strictObject(
        { documents: filterList, urls: filterList, titles: filterList, languages: filterList },
        notAnObject('Must be an object of documents, urls, titles or languages'),
      ),
    ).describe('A result’s document must meet all of these.'),
  })
  .meta({ id: 'SearchQuery' })

const Seconds = z.number().optional()

export const SearchResults = z
  .object({
    results: z.array(
      z.object({
        reference: z.string().describe('For `/api/chunks/bulk`.'),
        score: z.number(),
        text: z.string(),
        highlight: z.object({ start: z.int(), end: z.int() }).describe('The part of `text` that answers best.'),
        source: z.object({
          title: z.string(),
          url: z.string().nullable().describe('Of a recording or captions it opens at `start_seconds`.'),
          page: z.int().optional(),
          heading: z.string().optional(),
          start_seconds: Seconds,
          end_seconds: Seconds,
        }),
      }),
    ),
  })
  .meta({ id: 'SearchResults' })

const LIMIT = 'Must be a whole number from 1 to 1000'

export const DocumentCursor = idCursor('documents')

/** `GET /documents`. */
export const ListDocuments = z.strictObject({
  collection: Collection,
  limit: z.coerce.number(LIMIT).int(LIMIT).min(1, LIMIT).max(1_000, LIMIT).default(100),
  cursor: DocumentCursor.optional(),
})

export const DocumentList = z
  .object({
    documents: z.array(
      z.object({
        id: z.string(),
        collection: z.string(),
        title: z.string(),
        url: z.string().nullable(),
        language: z.string().nullable(),
        size: z.int().describe('Bytes as they came.'),
        chunks: z.int(),
        tokens: z.int(),
        created_at: z.iso.datetime(),
      }),
    ),
    next: z.string().nullable(),
  })
  .meta({ id: 'DocumentList' })
export type DocumentList = z.infer<typeof DocumentList>

export const Deleted = z.object({ success: z.literal(true) }).meta({ id: 'Deleted' })

const HOURS = 'Must be a number of hours from 0 to 87600'

/** `DELETE /cleanup`. */
export const CleanupQuery = z.strictObject({
  older_than_hours: z.coerce.number(HOURS).min(0, HOURS).max(87_600, HOURS).default(24),
})

export const CleanedUp = z.object({ success: z.literal(true), deleted_count: z.int() }).meta({ id: 'CleanedUp' })
