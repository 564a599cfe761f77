/** Routes of the card surface that begin tasks: import, export, delete and restore, each run in the background. */
import type { Context, Hono } from 'hono'
import type * as z from 'zod'
import type { BatchOptions } from '../../engine/transitions/submission.ts'
import { submit } from '../../engine/transitions/submit.ts'
import type { Upload } from '../../engine/uploads.ts'
import { invalidRequest, MillraceError } from '../../errors.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { limitBody } from '../../http/middleware/request-limits.ts'
import { type Endpoint, jsonBody } from '../../http/openapi/endpoint.ts'
import { checkValue } from '../../http/request/check.ts'
import { idempotencyKey } from '../../http/request/idempotency-key.ts'
import { announceBatch } from '../../http/response/accepted.ts'
import { SENTENCE_ERRORS } from '../../http/response/error-formats.ts'
import { publicAddress, publicPath } from '../../http/response/public-address.ts'
import { type RouteContext, Routes } from '../../http/routes.ts'
import { readColumns } from './import/columns.ts'
import type { Intake } from './import/intake.ts'
import { ACCEPTED, intoCards, intoCardsByFile } from './import-endpoints.ts'
import { formOf, keepBody } from './import-upload.ts'
import { estimateSeconds } from './queries/estimates.ts'
import { countCards } from './queries/tasks.ts'
import {
  DeleteRequest,
  EXPORT_FORMATS,
  type ExportFormat,
  ExportRequest,
  type ImportOptions,
  type ImportQuery,
  ImportRequest,
  MAX_CARDS,
  RestoreRequest,
  type TaskAccepted,
} from './schemas.ts'

/** Time limit of a task, the hard limit of the original API. */
const LIMIT_MS = 60 * 60 * 1_000
/** Bytes for 10,000 ids and the options. */
const MAX_BODY_BYTES = 10 * 1024 * 1024

const limitCardsBody = limitBody(MAX_BODY_BYTES, 'A body of this kind may hold 10 MB.')

const toFile = {
  route: 'POST /bulk/export',
  id: 'exportCards',
  summary: 'Export cards to a file',
  headers: ['Idempotency-Key'],
  body: jsonBody(ExportRequest, { csv: { format: 'csv', privacy_levels: ['BUSINESS'] }, all: {} }),
  answers: ACCEPTED,
  errors: [400, 409, 413, 415],
} satisfies Endpoint

/** Describes a route that begins a task on cards named by id. */
const change = <S extends z.ZodType>(verb: 'delete' | 'restore', summary: string, schema: S) =>
  ({
    route: `POST /bulk/${verb}`,
    id: `${verb}Cards`,
    summary,
    headers: ['Idempotency-Key'],
    body: jsonBody(schema, { one: { card_ids: ['01a1fe16-782b-7336-83b0-f701eca0ae1c'] } }),
    answers: ACCEPTED,
    errors: [400, 409, 413, 415],
  }) satisfies Endpoint

const remove = change('delete', 'Delete cards', DeleteRequest)
const restore = change('restore', 'Bring back cards that were softly deleted', RestoreRequest)

export const endpoints: readonly Endpoint[] = [intoCards, intoCardsByFile, toFile, remove, restore]

export function cardRoutes(deps: AppDeps): Hono<Env> {
  return new Routes('/bulk', SENTENCE_ERRORS)
    .add(intoCards, (c) => importCards(c, deps, c.req.valid('query')))
    .add(intoCardsByFile, (c) => importCards(c, deps, c.req.valid('query')))
    .add(toFile, (c) => exportCards(c, deps), [limitCardsBody])
    .add(
      remove,
      async (c) => {
        const { card_ids, soft_delete: soft, ...when } = c.req.valid('json')
        return changeCards(c, deps, { verb: 'delete', noun: 'deletion', ids: card_ids, soft, when })
      },
      [limitCardsBody],
    )
    .add(
      restore,
      async (c) => {
        const { card_ids, ...when } = c.req.valid('json')
        return changeCards(c, deps, { verb: 'restore', noun: 'restoring', ids: card_ids, soft: true, when })
      },
      [limitCardsBody],
    ).hono
}

/** Start time of a task, and the webhook that is notified. */
type When = Pick<ImportOptions, 'run_at' | 'webhook'>

/** A task as it is submitted to the engine. */
interface Task {
  readonly operation: string
  readonly request: object
  readonly message: string
  /** Number of cards it processes. */
  readonly cards: number
  readonly when: When
  readonly upload?: Upload
  readonly concurrency?: number
  /** Request as the caller sent it, without derived values. */
  readonly content: unknown
}

/** Submits a task and answers 202. */
async function begin(c: Context<Env>, deps: AppDeps, task: Task): Promise<{ response: Response; created: boolean }> {
  const operation = deps.operations[task.operation]
  if (operation === undefined) throw new Error(`The operation "${task.operation}" is not registered.`)
  const { owner } = c.get('caller')
  const { run_at: runAt, webhook } = task.when
  const options: BatchOptions = {
    limitMs: LIMIT_MS,
    ...(runAt === undefined ? {} : { runAt }),
    ...(webhook === undefined ? {} : { webhook }),
    ...(task.concurrency === undefined ? {} : { concurrency: task.concurrency }),
  }
  const { batchId, created } = await submit(deps, {
    owner,
    operation,
    request: task.request,
    uploads: task.upload === undefined ? [] : [task.upload],
    options,
    idempotency: idempotencyKey(c, task.content),
    admit: c.get('admit'),
  })
  const location = publicPath(deps, `/bulk/status/${batchId}`)
  const { streamUrl, webhookSecret } = await announceBatch(c, deps, batchId, { location, webhook })
  const answer: TaskAccepted = {
    task_id: batchId,
    status: 'PENDING',
    message: task.message,
    total: task.cards,
    estimated_duration_seconds: await estimateSeconds(deps.db, task.operation, task.cards),
    check_status_url: location,
    stream_url: streamUrl,
    ...(webhookSecret === undefined ? {} : { webhook_secret: webhookSecret }),
  }
  return { response: c.json(answer), created }
}

async function importCards(c: Context<Env>, deps: AppDeps, inQuery: z.infer<typeof ImportQuery>): Promise<Response> {
  const form = formOf(c)
  const columns = readColumns(inQuery.columns)
  if (columns.size > 0 && (form === 'json' || form === 'lines')) {
    throw invalidRequest('columns', 'columns: Only a CSV or a workbook has columns to be named')
  }
  const replay = c.req.header('Idempotency-Key') !== undefined
  const pending = await deps.quota?.open(c.get('caller').owner, { replay })
  try {
    pending?.checkLength(c.req.header('Content-Length'))
    const blobs = pending?.count(deps.blobs) ?? deps.blobs
    const intake = await keepBody(c, { blobs, compute: deps.compute }, form, { columns })
    return await importIntake(c, deps, intake, inQuery)
  } finally {
    pending?.release()
  }
}

/** Submits the import of a stored body; deletes the body where that is refused. */
async function importIntake(c: Context<Env>, deps: AppDeps, intake: Intake, inQuery: ImportOptions): Promise<Response> {
  let kept = false
  try {
    // A body of cards only, such as an export, has no options.
    const { around } = intake
    const alone = around === undefined || Array.isArray(around)
    const options = alone ? inQuery : optionsOf(c, around, inQuery)
    if (intake.totalCards === 0) throw invalidRequest('cards', 'No cards provided for import')
    const { response, created } = await begin(c, deps, importTask(intake, options))
    kept = created
    return response
  } catch (error) {
    // After an unexpected error the commit may still have been written, so the body is left to the sweep.
    kept = !(error instanceof MillraceError)
    throw error
  } finally {
    if (!kept) {
      await deps.blobs
        .delete([intake.upload.key])
        .catch((err: unknown) =>
          deps.log.warn(
            { event: 'upload.cleanup_failed', err },
            'an uploaded body could not be deleted; the sweep deletes it',
          ),
        )
    }
  }
}

/**
 * Reads the options of an import from the JSON object and the query.
 * @throws MillraceError INVALID_REQUEST naming an option to which they give different values
 */
function optionsOf(c: Context<Env>, body: unknown, inQuery: ImportOptions): ImportOptions {
  const inBody = checkValue(SENTENCE_ERRORS.refuse, ['body'], body, ImportRequest)
  const said = new Map(Object.entries(Object(body)))
  const option = <K extends keyof ImportOptions>(name: K): ImportOptions[K] => {
    if (c.req.query(name) === undefined) return inBody[name]
    const isTwice = (said.get(name) ?? null) !== null
    if (isTwice && JSON.stringify(inBody[name]) !== JSON.stringify(inQuery[name])) {
      throw invalidRequest(name, `${name}: The body and the query say different things; leave one of them out`)
    }
    return inQuery[name]
  }
  return {
    publish_business: option('publish_business'),
    publish_ideas: option('publish_ideas'),
    on_duplicate: option('on_duplicate'),
    validate_only: option('validate_only'),
    run_at: option('run_at'),
    webhook: option('webhook'),
  }
}

function importTask({ upload, slices, totalCards, form, csv, identity }: Intake, options: ImportOptions): Task {
  const { run_at, webhook, publish_business, publish_ideas, on_duplicate, validate_only } = options
  const task = {
    form,
    ...(csv ?? { header: [] }),
    publishBusiness: publish_business,
    publishIdeas: publish_ideas,
    onDuplicate: on_duplicate ?? null,
    validateOnly: validate_only,
  }
  return {
    operation: 'cards.import',
    request: { ...task, key: upload.key, slices, totalCards },
    message: `Bulk import initiated for ${totalCards} cards`,
    cards: totalCards,
    when: { run_at, webhook },
    upload,
    // Sequential slices, so that of several equal cards the first is imported and, with `update`, the last wins.
    ...(on_duplicate === undefined ? {} : { concurrency: 1 }),
    content: { ...task, run_at, webhook, cards: identity },
  }
}

const anyOf = (words: readonly string[] | undefined) => (words === undefined || words.length === 0 ? null : words)

function isFormat(name: string): name is ExportFormat {
  return EXPORT_FORMATS.some((format) => format === name)
}

async function exportCards(c: RouteContext<typeof toFile>, deps: AppDeps): Promise<Response> {
  const { run_at, webhook, ...asked } = c.req.valid('json')
  const format = asked.format.toLowerCase()
  // NDJSON is accepted as well; the sentence is that of the original API.
  if (!isFormat(format)) throw invalidRequest('format', 'Invalid format. Must be one of: json, markdown, csv')
  if (asked.bom && format !== 'csv') throw invalidRequest('bom', 'bom: Only a CSV begins with a byte order mark')
  const ids = asked.card_ids === undefined ? null : [...new Set(asked.card_ids)]
  if ((asked.card_ids ?? []).length > MAX_CARDS) {
    throw invalidRequest('card_ids', 'Maximum 10,000 card IDs per export operation. Leave them out to export all cards')
  }
  const totalCards = ids === null ? await countCards(deps.db, c.get('caller').owner) : ids.length
  const { response } = await begin(c, deps, {
    operation: 'cards.export',
    request: {
      ids,
      privacyLevels: anyOf(asked.privacy_levels),
      categories: anyOf(asked.categories),
      publishedOnly: asked.published_only,
      format,
      withMetadata: asked.include_metadata,
      gzip: asked.compression === 'gzip',
      bom: asked.bom,
      pages: publicAddress(deps, c.req.url, '/cards/'),
      filename: `cards-${new Date(deps.clock.now()).toISOString().slice(0, 10)}`,
      totalCards,
    },
    message: `Bulk export initiated in ${format} format`,
    cards: totalCards,
    when: { run_at, webhook },
    content: { ...asked, run_at, webhook },
  })
  return response
}

async function changeCards(
  c: Context<Env>,
  deps: AppDeps,
  asked: { verb: 'delete' | 'restore'; noun: string; ids: readonly string[]; soft: boolean; when: When },
): Promise<Response> {
  const ids = [...new Set(asked.ids)]
  if (ids.length === 0) throw invalidRequest('card_ids', `No card IDs provided for ${asked.noun}`)
  if (asked.ids.length > MAX_CARDS) throw invalidRequest('card_ids', `Maximum 10,000 cards per ${asked.verb} operation`)
  const { response } = await begin(c, deps, {
    operation: `cards.${asked.verb}`,
    request: { ids, soft: asked.soft },
    message: `Bulk ${asked.verb} initiated for ${ids.length} cards`,
    cards: ids.length,
    when: asked.when,
    content: asked,
  })
  return response
}
