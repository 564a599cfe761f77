/** The client of resources, `/api/v1`: many at once by id, recommendations, writes in batches, and the collections themselves. */
import type {
  Activity,
  ActivityChanges,
  CoachingNote,
  CoachingNoteChanges,
  NewActivity,
  NewCoachingNote,
  NewParticipation,
  Participation,
} from '../features/resources/activity-schemas.ts'
import type {
  BatchResults,
  ItemOutcome,
  RecommendationResults,
  RecommendationsRequest,
  WriteAccepted,
} from '../features/resources/schemas.ts'
import type { BatchStream, FollowOptions } from './batch-stream.ts'
import type { Client } from './client.ts'
import { type Http, json } from './http.ts'
import type { EventWith } from './items.ts'
import { randomKey } from './keys.ts'
import { Page } from './page.ts'
import type { Read, Sent } from './schema-types.ts'
import { readDetail } from './surface-errors.ts'
import type { CallOptions, NewBatch } from './types.ts'

/** Collections: what is read of each, made, and changed. */
interface Collections {
  activities: {
    row: Activity
    create: Sent<typeof NewActivity>
    change: Sent<typeof ActivityChanges>
  }
  participations: { row: Read<typeof Participation>; create: Sent<typeof NewParticipation>; change: never }
  coaching: {
    row: Read<typeof CoachingNote>
    create: Sent<typeof NewCoachingNote>
    change: Sent<typeof CoachingNoteChanges>
  }
}
/** Name of a collection. */
export type ResourceCollection = keyof Collections
/** A row of a collection. */
export type ResourceOf<Name extends ResourceCollection> = Collections[Name]['row']
/** Collections whose rows are changed and deleted in batches. */
export type WritableCollection = 'activities' | 'coaching'

/** ResourceOutcome for one id, with the resource as it is. */
export type ResourceOutcome<Row> =
  | (Omit<Extract<ItemOutcome, { status: 'success' }>, 'data'> & { readonly data?: Row })
  | Extract<ItemOutcome, { status: 'error' }>
/** ResourceOutcomes, one for each id in their order. */
export type ResourceOutcomes<Row> = Omit<BatchResults, 'results'> & {
  readonly results: readonly ResourceOutcome<Row>[]
}

/** Options of a write. */
export interface ResourceWriteOptions extends Pick<NewBatch, 'idempotencyKey'> {
  /** Receiver notified when a write of more than 100 items, which is a batch, ends. */
  readonly webhook?: NonNullable<NewBatch['options']>['webhook']
}

/** An event of a write that is a batch. */
export type ResourceWriteEvent = EventWith<{ readonly succeeded: number; readonly failed: number }, object>

/** Makes the client of resources. */
export function resourcesClient(client: Client): ResourcesClient {
  return new ResourcesClient(client)
}

export class ResourcesClient {
  readonly #client: Client
  readonly #http: Http

  /** Use `resourcesClient`. */
  constructor(client: Client) {
    this.#client = client
    this.#http = client.http.at({ name: 'resources', mount: '/api/v1', read: readDetail })
  }

  /** Reads up to 100 resources of a collection by id. @param fields the ones that are wanted; default: all */
  get<Name extends ResourceCollection, Field extends keyof ResourceOf<Name> & string>(
    collection: Name,
    ids: readonly string[],
    fields: readonly Field[],
    call?: CallOptions,
  ): Promise<ResourceOutcomes<Pick<ResourceOf<Name>, Field | ('id' & keyof ResourceOf<Name>)>>>
  get<Name extends ResourceCollection>(
    collection: Name,
    ids: readonly string[],
    fields?: undefined,
    call?: CallOptions,
  ): Promise<ResourceOutcomes<ResourceOf<Name>>>
  /** Reads resources of the types of other features: cards, chunks, batches. */
  get(
    type: 'cards' | 'chunks' | 'batches',
    ids: readonly string[],
    fields?: readonly string[],
    call?: CallOptions,
  ): Promise<ResourceOutcomes<Readonly<Record<string, unknown>>>>
  get(resource_type: string, ids: readonly string[], fields?: readonly string[], call?: CallOptions): Promise<unknown> {
    return this.#post('/batch/get', { resource_type, ids, fields: fields?.join(',') }, call)
  }

  /** Recommends activities for up to 50 children. */
  recommend(
    request: Partial<Read<typeof RecommendationsRequest>> & { readonly child_ids: readonly string[] },
    call?: CallOptions,
  ): Promise<RecommendationResults> {
    return this.#post('/batch/activities/recommendations', request, call)
  }

  /** Changes rows; fields that are left out stay. Up to 100 are written before the answer; more, up to 100,000, become a batch to `follow`. */
  update<Name extends WritableCollection>(
    resource_type: Name,
    items: readonly { readonly id: string; readonly data: Collections[Name]['change'] }[],
    { idempotencyKey = randomKey(), webhook }: ResourceWriteOptions = {},
    call?: CallOptions,
  ): Promise<ResourceOutcomes<ResourceOf<Name>> | WriteAccepted> {
    return this.#post('/batch/update', { resource_type, items, webhook }, call, idempotencyKey)
  }

  /** Deletes rows, likewise. */
  delete(
    resource_type: WritableCollection,
    ids: readonly string[],
    { idempotencyKey = randomKey(), webhook }: ResourceWriteOptions = {},
    call?: CallOptions,
  ): Promise<BatchResults | WriteAccepted> {
    return this.#post('/batch/delete', { resource_type, ids, webhook }, call, idempotencyKey)
  }

  /** Follows a write that is a batch, as `Client.follow` does. */
  follow(
    { batch_id: batchId, stream_url: streamUrl }: WriteAccepted,
    options?: FollowOptions,
  ): BatchStream<ResourceWriteEvent> {
    return this.#client.follow<ResourceWriteEvent>({ batchId, streamUrl }, options)
  }

  /** Makes up to 1,000 rows, all or none. It is sent once: a row without an `id` of the caller's would be made twice. */
  async create<Name extends ResourceCollection>(
    name: Name,
    rows: readonly Collections[Name]['create'][],
    call?: CallOptions,
  ): Promise<ResourceOf<Name>[]> {
    const answer: Answer<Name> = await this.#http.json(`/${name}`, {
      method: 'POST',
      ...json({ [KEYS[name]]: rows }),
      again: false,
      ...call,
    })
    return answer[KEYS[name]]
  }

  /** All rows that the caller may read. */
  async list<Name extends ResourceCollection>(
    name: Name,
    query: { readonly limit?: number; readonly cursor?: string } = {},
    call?: CallOptions,
  ): Promise<Page<ResourceOf<Name>, string>> {
    const answer: Answer<Name> & { next_cursor: string | null } = await this.#http.json(`/${name}`, { query, ...call })
    return new Page(answer[KEYS[name]], answer.next_cursor, (cursor) => this.list(name, { ...query, cursor }, call))
  }

  /** Reads one row. @throws ApiError NOT_FOUND */
  read<Name extends ResourceCollection>(name: Name, id: string, call?: CallOptions): Promise<ResourceOf<Name>> {
    return this.#http.json(`/${name}/${encodeURIComponent(id)}`, call)
  }

  #post<T>(path: string, body: object, call: CallOptions | undefined, key?: string): Promise<T> {
    const sent = json(body)
    const headers = { ...sent.headers, ...(key === undefined ? {} : { 'Idempotency-Key': key }) }
    return this.#http.json(path, { method: 'POST', ...sent, headers, ...call })
  }
}

/** Names of the lists of rows in bodies. */
const KEYS = { activities: 'activities', participations: 'participations', coaching: 'notes' } as const
type Answer<Name extends ResourceCollection> = Record<(typeof KEYS)[Name], ResourceOf<Name>[]>
