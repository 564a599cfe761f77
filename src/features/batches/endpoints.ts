/** Described: batches of any operation, and heat sheets, which are made of documents. */
import * as z from 'zod'
import { type Endpoint, json, jsonBody, NOT_MODIFIED } from '../../http/openapi/endpoint.ts'
import {
  BatchEvent,
  BatchStatus,
  FollowBatch,
  OwnerState,
  PollBatch,
  PolledStatus,
  StreamLink,
} from './follow-schemas.ts'
import {
  AppendItems,
  BatchAccepted,
  BatchList,
  BatchRetried,
  BatchSealed,
  BatchSteered,
  CreateBatch,
  ItemsAppended,
  JobList,
  ListBatches,
  ListJobs,
  ListResults,
  ResultSets,
  SealBatch,
} from './schemas.ts'

const ID = { id: 'Id of a batch, or the `Idempotency-Key` it was made under.' }

/** A route that does something to a batch. */
function steer(verb: string, id: string, summary: string, conflicts: boolean): Endpoint {
  return {
    route: `POST /api/batch/:id/${verb}`,
    id,
    summary,
    path: ID,
    answers: { 200: json('Done.', BatchSteered) },
    errors: conflicts ? [404, 409] : [404],
  }
}

const STREAM_TEXT = `Frames of server-sent events: \`event:\` is the type, \`data:\` the event as JSON. Frames of logged events carry \`id:\`, to resume after; \`job_progress\` and comments carry none. A comment comes every 15 seconds.`

const stream = (description: string, eventData: z.ZodType) => ({
  description,
  content: { 'text/event-stream': { schema: z.string().describe(STREAM_TEXT), eventData } },
})

const making: readonly Endpoint[] = [
  {
    route: 'POST /api/batch',
    id: 'createBatch',
    summary: 'Make a batch of any operation',
    headers: ['Idempotency-Key'],
    body: jsonBody(CreateBatch, {
      items: { operation: 'echo', items: [{ value: 1 }, { value: 'two', waitMs: 200, steps: 4 }] },
      options: {
        operation: 'echo',
        items: [{ value: 1 }],
        options: {
          priority: 10,
          labels: ['try'],
          concurrency: 2,
          maxAttempts: 3,
          runAt: '2100-01-01T08:00:00Z',
          deadline: '2100-01-01T09:00:00Z',
          webhook: { url: 'https://example.com/hook', events: ['batch_completed'] },
        },
      },
      open: { operation: 'echo', open: true },
    }),
    answers: {
      202: json('Accepted, and on disk.', BatchAccepted, ['Location']),
      200: json('The batch that the same request made before.', BatchAccepted, ['Location']),
    },
    errors: [400, 409, 413, 415],
  },
  {
    route: 'POST /api/batch/:id/items',
    id: 'appendItems',
    summary: 'Add items to an open batch',
    description:
      'A place that is taken by the same item is passed over, so a slice may be sent again; taken by another, the slice is refused (409). Where a line is wrong, the items before it are taken.',
    path: ID,
    query: AppendItems,
    body: {
      'application/x-ndjson': {
        schema: z.string().describe('An item a line, of at most 1 MB.'),
        examples: { lines: '{"value": 1}\n{"value": 2}\n' },
      },
    },
    answers: { 200: json('Taken, and on disk.', ItemsAppended) },
    errors: [400, 404, 409, 413, 415],
  },
  {
    ...steer('seal', 'sealBatch', 'Let an open batch take no more items', true),
    description:
      'Refused (409) where a place before the last is empty, or where there is another number of items than `total` says: the answer names what never came.',
    bodyMayBeLeftOut: true,
    body: jsonBody(SealBatch, { counted: { total: 2 }, uncounted: {} }),
    answers: { 200: json('Sealed.', BatchSealed) },
    errors: [400, 404, 409, 413, 415],
  },
]

/** @param merged what operations merge the results of their jobs to */
const following = (merged: readonly z.ZodType[]): readonly Endpoint[] => [
  {
    route: 'GET /api/batch',
    id: 'listBatches',
    summary: "The caller's batches, newest first",
    query: ListBatches,
    answers: { 200: json('A page.', BatchList) },
    errors: [400],
  },
  {
    route: 'GET /api/batch/stream',
    id: 'followAll',
    summary: "Follow all of the caller's batches on one connection",
    description:
      'Begins with a `resync` event that lists the batches that have not ended, unless the caller comes back. `id:` counts over all batches; `eventId` is the number within the batch.',
    access: 'link',
    query: FollowBatch,
    headers: ['Last-Event-ID'],
    answers: { 200: stream('The stream.', z.union([BatchEvent, OwnerState])) },
    errors: [429, 503],
  },
  {
    route: 'GET /api/batch/:id/stream',
    id: 'followBatch',
    summary: 'Follow a batch',
    description:
      'All events after the number the caller has, then new ones as they happen; it ends after `batch_completed`. A number that is not known is answered by a `resync` event with the state. Give `streamUrl` of the create to `EventSource`, which cannot send headers.',
    access: 'link',
    path: ID,
    query: FollowBatch,
    headers: ['Last-Event-ID'],
    answers: {
      200: stream('The stream.', z.union([BatchEvent, BatchStatus])),
      204: { description: 'The caller has the last event of a batch that has ended.' },
    },
    errors: [404, 429, 503],
  },
  {
    route: 'POST /api/batch/stream-token',
    id: 'linkAll',
    summary: 'The address of the stream of all batches, for `EventSource`',
    answers: { 200: json('Good for a day.', StreamLink) },
  },
  {
    route: 'POST /api/batch/:id/stream-token',
    id: 'linkBatch',
    summary: "The address of a batch's stream, for `EventSource`",
    path: ID,
    answers: { 200: json('Good for a day.', StreamLink) },
    errors: [404],
  },
  {
    route: 'GET /api/batch/:id',
    id: 'readBatch',
    summary: 'Where a batch and its jobs stand',
    description: 'The first 1,000 jobs are listed.',
    access: 'link',
    path: ID,
    query: PollBatch,
    headers: ['If-None-Match'],
    answers: { 200: json('The state.', PolledStatus, ['ETag']), 304: NOT_MODIFIED },
    errors: [400, 404],
  },
  {
    route: 'GET /api/batch/:id/jobs',
    id: 'listJobs',
    summary: 'The jobs of a batch, page by page',
    access: 'link',
    path: ID,
    query: ListJobs,
    answers: { 200: json('A page.', JobList) },
    errors: [400, 404],
  },
  {
    route: 'GET /api/batch/:id/results',
    id: 'readResults',
    summary: 'What a batch came to',
    description:
      'Heat sheets: one schedule, merged. Other operations: their jobs in three sets. `format=ndjson`, or an `Accept` of it, gives a line a job; a connection that breaks off before its clean end brought only a part.',
    access: 'link',
    path: ID,
    query: ListResults,
    answers: {
      200: {
        description: 'Merged, or in sets.',
        content: {
          'application/json': { schema: z.union([...merged, ResultSets]) },
          'application/x-ndjson': {
            schema: z.string().describe('An `ItemResult` a line; with `as=items` the item alone.'),
          },
        },
      },
    },
    errors: [400, 404],
  },
]

const steering: readonly Endpoint[] = [
  steer('cancel', 'cancelBatch', 'End a batch early', false),
  steer('pause', 'pauseBatch', 'Start no more of its jobs; what runs goes on', false),
  steer('resume', 'resumeBatch', 'Let a paused batch go on', false),
  {
    ...steer('retry', 'retryBatch', 'Run again what failed or was cancelled', true),
    answers: { 200: json('They run again.', BatchRetried) },
  },
  {
    route: 'DELETE /api/batch/:id',
    id: 'deleteBatch',
    summary: 'Delete a batch that has ended, with all it holds',
    path: ID,
    answers: { 200: json('Deleted.', BatchSteered) },
    errors: [404, 409],
  },
]

/**
 * Lists the routes of batches.
 * @param merged what operations merge the results of their jobs to
 */
export function endpoints(merged: readonly z.ZodType[]): readonly Endpoint[] {
  return [...making, ...following(merged), ...steering]
}
