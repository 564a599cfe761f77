/** The client of cards, `/bulk`: imports, exports, deletion. Each is a task, followed like every batch. */
import type {
  DeleteResult,
  ExportRequest,
  ExportResult,
  ImportOptions,
  ImportQuery,
  ImportResult,
  NewCard,
  TaskAccepted,
  TaskResumed,
  TaskStatus,
  Tokens,
  UnfinishedExport,
  WithheldExport,
} from '../features/cards/schemas.ts'
import type { BatchStream, FollowOptions } from './batch-stream.ts'
import type { Client } from './client.ts'
import { readCoded } from './errors.ts'
import { type Http, json } from './http.ts'
import type { EventWith } from './items.ts'
import { randomKey } from './keys.ts'
import { Page } from './page.ts'
import type { Read, Sent } from './schema-types.ts'
import { readDetail } from './surface-errors.ts'
import type { BatchRef, CallOptions, Upload } from './types.ts'
import { bodyOf, nameOf } from './uploads.ts'

/** Cards that the JSON of an object may hold; more go as an array. */
const MAX_CARDS_IN_OBJECT = 10_000

const TYPES = {
  csv: 'text/csv',
  ndjson: 'application/x-ndjson',
  json: 'application/json',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
} as const

/** A task, by its id, by its idempotency key, or as its creation was answered. `Result` is for the types of what is read of it. */
export type TaskRef<Result> = string | (Pick<TaskAccepted, 'task_id'> & TaskFacts<Result>)

/** Carries the type of a task's result; `~result` does not exist at run time. */
interface TaskFacts<Result> {
  readonly stream_url?: string
  readonly '~result'?: Result
}

/** A task that began. */
export type CardTask<Result> = TaskAccepted & TaskFacts<Result>
/** State of a task; `result` once it has ended. */
export type CardTaskStatus<Result> = Omit<TaskStatus, 'result'> & { readonly result?: Result }
/** Result of an export: a file, or none. */
export type CardExport = ExportResult | WithheldExport | UnfinishedExport
/** Any of the results. */
export type CardTaskResult = ImportResult | CardExport | DeleteResult

/** An event of a task. A job goes through up to 500 cards. */
export type CardEvent = EventWith<{ readonly cards: number; readonly failed?: number }, { readonly cards: number }>

/** Options of every task. */
export interface TaskOptions extends Partial<Pick<ImportOptions, 'webhook'>> {
  /** When it may begin, ISO 8601. */
  readonly run_at?: string
  /** As of `NewBatch`. */
  readonly idempotencyKey?: string | undefined
}

/** A card to be imported. */
export type NewCardInput = Pick<NewCard, 'title' | 'body' | 'category' | 'privacy_level'> & Partial<NewCard>
/** Options of an import. */
export type CardImportOptions = TaskOptions & Partial<Omit<ImportOptions, 'run_at' | 'webhook'>>
/** Options of an import of a file. A webhook's secret is made by the server. */
export interface CardFileOptions extends Omit<CardImportOptions, 'webhook'> {
  /** Default: by the type or the name of the file. */
  readonly format?: keyof typeof TYPES
  /** Fields of a card for columns with other names: `{ Headline: 'title' }`. */
  readonly columns?: Readonly<Record<string, string>>
  readonly webhook?: { readonly url: string }
}
/** Cards that are exported, and as what. */
export type CardExportOptions = TaskOptions &
  Partial<Omit<Read<typeof ExportRequest>, 'run_at' | 'webhook' | 'format'>> & {
    readonly format?: ExportResult['export_format']
  }

/** Makes the client of cards. Its key needs `batch:read` as well for `follow` and `wait`. */
export function cardsClient(client: Client): CardsClient {
  return new CardsClient(client)
}

export class CardsClient {
  readonly #client: Client
  readonly #http: Http

  /** Use `cardsClient`. */
  constructor(client: Client) {
    this.#client = client
    this.#http = client.http.at({ name: 'cards', mount: '/bulk', read: readDetail })
  }

  /** Imports cards, up to 1,000,000 and 64 MB. A card that is wrong fails alone. */
  import(
    cards: readonly NewCardInput[],
    options: CardImportOptions = {},
    call?: CallOptions,
  ): Promise<CardTask<ImportResult>> {
    if (cards.length <= MAX_CARDS_IN_OBJECT) return this.#begin('import', { cards }, options, call)
    const { webhook, ...rest } = options
    if (Object.keys(webhook ?? {}).some((name) => name !== 'url')) {
      throw new TypeError(`webhook: An import of more than ${MAX_CARDS_IN_OBJECT} cards takes nothing but its url.`)
    }
    const to = webhook === undefined ? {} : { webhook: { url: webhook.url } }
    return this.importFile(JSON.stringify(cards), { ...rest, ...to, format: 'json' }, call)
  }

  /**
   * Imports a file of cards: CSV, NDJSON, JSON or XLSX, up to 1,000,000. A stream is sent as it comes, once; in pages it is gathered first.
   * @throws TypeError where neither `format` nor the file says what it is
   */
  async importFile(
    file: Upload,
    { format, idempotencyKey = randomKey(), columns, webhook, ...options }: CardFileOptions = {},
    call?: CallOptions,
  ): Promise<CardTask<ImportResult>> {
    const query = {
      ...options,
      columns: columns && JSON.stringify(columns),
      webhook: webhook?.url,
    } satisfies { [name in keyof Sent<typeof ImportQuery>]: unknown }
    return this.#http.json('/import', {
      method: 'POST',
      query,
      headers: { 'Content-Type': typeOf(file, format), 'Idempotency-Key': idempotencyKey },
      answerMs: 0,
      ...(await bodyOf(file)),
      ...call,
    })
  }

  /** Resumes an import that has ended: reruns the parts that failed. */
  resume(task: TaskRef<ImportResult>, call?: CallOptions): Promise<TaskResumed> {
    return this.#http.json(`/import${pathOf(task)}/resume`, { method: 'POST', again: false, ...call })
  }

  /** Downloads all cards that an import rejected, with the reason of each, as CSV. */
  rejected(task: TaskRef<ImportResult>, call?: CallOptions): Promise<Response> {
    return this.#http.file(`/import${pathOf(task)}/rejected`, call)
  }

  /** Exports cards to a file: all, or those that are chosen. */
  export(options: CardExportOptions = {}, call?: CallOptions): Promise<CardTask<CardExport>> {
    return this.#begin('export', {}, options, call)
  }

  /** Downloads the file of an export that has ended. */
  download(task: TaskRef<CardExport>, call?: CallOptions): Promise<Response> {
    return this.#client.http.at({ name: 'batches', mount: '/exports', read: readCoded }).file(pathOf(task), call)
  }

  /** Deletes up to 10,000 cards, softly unless `soft_delete` is false. */
  delete(
    card_ids: readonly string[],
    options: TaskOptions & { readonly soft_delete?: boolean } = {},
    call?: CallOptions,
  ): Promise<CardTask<DeleteResult>> {
    return this.#begin('delete', { card_ids }, options, call)
  }

  /** Restores up to 10,000 cards that were softly deleted. */
  restore(card_ids: readonly string[], options: TaskOptions = {}, call?: CallOptions): Promise<CardTask<DeleteResult>> {
    return this.#begin('restore', { card_ids }, options, call)
  }

  /** Reads the state of a task, and its result. */
  status<Result = CardTaskResult>(task: TaskRef<Result>, call?: CallOptions): Promise<CardTaskStatus<Result>> {
    return this.#http.json(`/status${pathOf(task)}`, call)
  }

  /** Follows a task live, as `Client.follow` does. */
  follow(task: TaskRef<unknown>, options?: FollowOptions): BatchStream<CardEvent> {
    return this.#client.follow<CardEvent>(batchOf(task), options)
  }

  /** Waits until a task has ended, and reads its result. */
  async wait<Result = CardTaskResult>(task: TaskRef<Result>, call?: CallOptions): Promise<CardTaskStatus<Result>> {
    await this.#client.wait(batchOf(task), call)
    return this.status(task, call)
  }

  /** Reads the tokens earned, newest first: a page of the ledger, and the sum of all. */
  async tokens(
    query: { readonly limit?: number; readonly cursor?: number } = {},
    call?: CallOptions,
  ): Promise<Page<Tokens['ledger'][number], number> & { readonly balance: string }> {
    const { ledger, next, balance }: Tokens = await this.#http.json('/tokens', { query, ...call })
    const page = new Page(ledger, next, (cursor) => this.tokens({ ...query, cursor }, call))
    return Object.assign(page, { balance })
  }

  #begin<Result>(
    verb: 'import' | 'export' | 'delete' | 'restore',
    body: object,
    { idempotencyKey = randomKey(), ...options }: TaskOptions,
    call: CallOptions | undefined,
  ): Promise<CardTask<Result>> {
    const sent = json({ ...options, ...body })
    return this.#http.json(`/${verb}`, {
      method: 'POST',
      ...sent,
      headers: { ...sent.headers, 'Idempotency-Key': idempotencyKey },
      answerMs: 0,
      ...call,
    })
  }
}

const idOf = (task: TaskRef<unknown>) => (typeof task === 'string' ? task : task.task_id)
const pathOf = (task: TaskRef<unknown>) => `/${encodeURIComponent(idOf(task))}`

function batchOf(task: TaskRef<unknown>): BatchRef {
  const streamUrl = typeof task === 'string' ? undefined : task.stream_url
  return { batchId: idOf(task), ...(streamUrl === undefined ? {} : { streamUrl }) }
}

function typeOf(file: Upload, format: keyof typeof TYPES | undefined): string {
  if (format !== undefined) return TYPES[format]
  const ending = /\.(\w+)$/.exec(nameOf(file) ?? '')?.[1]?.toLowerCase()
  for (const [name, type] of Object.entries(TYPES)) if (name === ending) return type
  if (file instanceof Blob && file.type !== '') return file.type
  throw new TypeError('format: Say csv, ndjson, json or xlsx; the file has no name or type that does.')
}
