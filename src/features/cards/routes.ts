/** The card surface's ways in: import, export, delete and restore, each a task that goes on by itself. */
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type * as z from 'zod'
import { type BatchOptions, submit, type Upload } from '../../engine/transitions/submit.ts'
import { readWebhookSecret } from '../../engine/webhooks.ts'
import { invalidRequest, MillraceError } from '../../errors.ts'
import { streamToken } from '../../http/auth/tokens.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { readJson, readQuery } from '../../http/request/body.ts'
import { safeParse } from '../../http/request/fields.ts'
import { idempotencyKey } from '../../http/request/idempotency-key.ts'
import { publicAddress } from '../../http/response/public-address.ts'
import { formOf, type Intake, keepBody } from './import-upload.ts'
import { estimateSeconds } from './queries/estimates.ts'
import { countCards } from './queries/tasks.ts'
import {
  DeleteRequest,
  EXPORT_FORMATS,
  type ExportFormat,
  ExportRequest,
  type ImportOptions,
  ImportQuery,
  ImportRequest,
  MAX_CARDS,
  RestoreRequest,
  type TaskAccepted,
} from './schemas.ts'

/** As the hard limit of the seed: a task that is not done in an hour ends. */
const LIMIT_MS = 60 * 60 * 1_000
/** 10,000 ids and the rest. */
const MAX_BODY_BYTES = 10 * 1024 * 1024

const limitBody = bodyLimit({
  maxSize: MAX_BODY_BYTES,
  onError: () => {
    throw new MillraceError('TOO_LARGE', 'A body of this kind may hold 10 MB.')
  },
})

/** `POST /import`, `/export`, `/delete`, `/restore`. */
export function cardRoutes(deps: AppDeps): Hono<Env> {
  return new Hono<Env>()
    .post('/import', (c) => importCards(c, deps))
    .post('/export', limitBody, (c) => exportCards(c, deps))
    .post('/delete', limitBody, async (c) => {
      const { card_ids, soft_delete: soft, ...when } = await readJson(c, DeleteRequest)
      return changeCards(c, deps, { verb: 'delete', noun: 'deletion', ids: card_ids, soft, when })
    })
    .post('/restore', limitBody, async (c) => {
      const { card_ids, ...when } = await readJson(c, RestoreRequest)
      return changeCards(c, deps, { verb: 'restore', noun: 'restoring', ids: card_ids, soft: true, when })
    })
}

/** When a task is to run, and who is told. */
type When = Pick<ImportOptions, 'run_at' | 'webhook'>

/** A task as it is handed to the engine. */
interface Task {
  readonly operation: string
  readonly request: object
  readonly message: string
  /** Cards it goes through. */
  readonly cards: number
  readonly when: When
  readonly upload?: Upload
  readonly concurrency?: number
  /** Request as the caller made it, without what we derived from it. */
  readonly content: unknown
}

/** Begins a task and says so. */
async function begin(c: Context<Env>, deps: AppDeps, task: Task): Promise<{ response: Response; created: boolean }> {
  const operation = deps.operations[task.operation]
  if (operation === undefined) throw new Error(`The operation "${task.operation}" is not registered.`)
  const { owner, authenticated } = c.get('caller')
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
  const token = authenticated ? `?token=${await streamToken(deps.auth, deps.clock, owner, batchId)}` : ''
  const answer: TaskAccepted = {
    task_id: batchId,
    status: 'PENDING',
    message: task.message,
    estimated_duration_seconds: await estimateSeconds(deps.db, task.operation, task.cards),
    check_status_url: `/bulk/status/${batchId}`,
    stream_url: `/api/batch/${batchId}/stream${token}`,
  }
  if (webhook !== undefined && webhook.secret === undefined) {
    const secret = await readWebhookSecret(deps.db, batchId)
    if (secret !== undefined) answer.webhook_secret = secret
  }
  c.header('Location', answer.check_status_url)
  return { response: c.json(answer), created }
}

async function importCards(c: Context<Env>, deps: AppDeps): Promise<Response> {
  const form = formOf(c)
  const inQuery = readQuery(c, ImportQuery)
  const replay = c.req.header('Idempotency-Key') !== undefined
  const pending = await deps.quota?.open(c.get('caller').owner, { replay })
  try {
    pending?.checkLength(c.req.header('Content-Length'))
    const intake = await keepBody(c, pending?.count(deps.blobs) ?? deps.blobs, form)
    return await importIntake(c, deps, intake, inQuery)
  } finally {
    pending?.release()
  }
}

/** Makes a task of a body that is stored; one that makes none is deleted. */
async function importIntake(c: Context<Env>, deps: AppDeps, intake: Intake, inQuery: ImportOptions): Promise<Response> {
  let kept = false
  try {
    // A body that is nothing but cards, as an export is, has nothing around them.
    const { around } = intake
    const alone = around === undefined || Array.isArray(around)
    const options = alone ? inQuery : optionsOf(c, around, inQuery)
    if (intake.totalCards === 0) throw invalidRequest('cards', 'No cards provided for import')
    const { response, created } = await begin(c, deps, importTask(intake, options))
    kept = created
    return response
  } catch (error) {
    // A commit that failed in a way nobody foresaw may have been written all the same: its body is left to the sweep.
    kept = !(error instanceof MillraceError)
    throw error
  } finally {
    if (!kept) {
      await deps.blobs
        .delete([intake.upload.key])
        .catch((err: unknown) => deps.log.warn({ err }, 'a body not kept is left to the sweep'))
    }
  }
}

/**
 * Reads how to import the cards of a JSON object: each option as the body states it, or as the query does.
 * @throws MillraceError INVALID_REQUEST naming an option of which they say different things
 */
function optionsOf(c: Context<Env>, body: unknown, inQuery: ImportOptions): ImportOptions {
  const inBody = parse(ImportRequest, body)
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

function importTask({ upload, slices, totalCards, form, header, identity }: Intake, options: ImportOptions): Task {
  const { run_at, webhook, publish_business, publish_ideas, on_duplicate, validate_only } = options
  const task = {
    form,
    header,
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
    // One slice after the other, so that of several equal cards the first is imported and, with `update`, the last prevails.
    ...(on_duplicate === undefined ? {} : { concurrency: 1 }),
    content: { ...task, run_at, webhook, cards: identity },
  }
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = safeParse(schema, value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const field = issue?.path.map(String).join('.') ?? ''
  throw invalidRequest(field, field === '' ? `${issue?.message}` : `${field}: ${issue?.message}`)
}

const anyOf = (words: readonly string[] | undefined) => (words === undefined || words.length === 0 ? null : words)

function isFormat(name: string): name is ExportFormat {
  return EXPORT_FORMATS.some((format) => format === name)
}

async function exportCards(c: Context<Env>, deps: AppDeps): Promise<Response> {
  const { run_at, webhook, ...asked } = await readJson(c, ExportRequest)
  const format = asked.format.toLowerCase()
  // NDJSON is taken as well; the sentence is the one that clients of the seed know.
  if (!isFormat(format)) throw invalidRequest('format', 'Invalid format. Must be one of: json, markdown, csv')
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
