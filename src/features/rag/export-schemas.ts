/** Schemas of the requests and answers of exports of documents. */
import * as z from 'zod'
import { Id, list, optional, text, withDefault } from '../../http/request/fields.ts'
import { MAX_ITEMS, PROCESS_STATUSES } from './schemas.ts'

/** Path of an export. */
export const ExportPath = z.strictObject({
  export_id: z.string().describe('The `export_id` that the export was begun under, or its batch id.'),
})

export const EXPORT_FORMATS = ['json', 'csv', 'parquet', 'vector'] as const
/** Databases that a file of the format `vector` is for. */
export const EXPORT_TARGETS = ['pinecone', 'pgvector', 'chroma', 'qdrant', 'weaviate'] as const
/** Target of a request that names none: records of the original API. */
const PINECONE: (typeof EXPORT_TARGETS)[number] = 'pinecone'

/** `POST /export`. */
export const ExportJob = z
  .strictObject({
    job_id: optional(Id).describe('The job whose documents are exported; left out, those of `collection`.'),
    collection: optional(Id).describe('Only documents of this collection; without `job_id`, all of them.'),
    documents: optional(
      list(text({ min: 1, max: 200 }), MAX_ITEMS, {
        notAList: 'Must be an array of ids of documents',
        tooLong: `Must hold at most ${MAX_ITEMS} ids`,
      }),
    ).describe('Only these of them.'),
    format: z.enum(EXPORT_FORMATS, `Must be one of: ${EXPORT_FORMATS.join(', ')}`),
    target: withDefault(z.enum(EXPORT_TARGETS, `Must be one of: ${EXPORT_TARGETS.join(', ')}`), PINECONE).describe(
      'The database that a file of the format `vector` is for.',
    ),
    gzip: withDefault(z.boolean('Must be true or false'), false).describe('Compresses the file.'),
    export_id: Id.describe('Your own id for the export; the same request repeated under it returns the first.'),
  })
  .meta({ id: 'ExportJob' })
export type ExportJob = z.input<typeof ExportJob>

export const ExportAccepted = z
  .object({ success: z.literal(true), export_id: z.string(), message: z.string(), status_url: z.string() })
  .meta({ id: 'ExportAccepted' })
export type ExportAccepted = z.infer<typeof ExportAccepted>

/** `GET /export/:export_id/status`. */
export const ExportStatus = z
  .object({
    export_id: z.string(),
    status: z.enum(PROCESS_STATUSES),
    progress: z.number(),
    download_url: z.string().nullable(),
    filename: z.string().nullable(),
    file_size: z.int().nullable(),
    error: z.string().nullable(),
  })
  .meta({ id: 'ExportStatus' })
export type ExportStatus = z.infer<typeof ExportStatus>
