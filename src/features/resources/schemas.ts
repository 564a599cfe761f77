/** Schemas of the requests and answers of the batch-read surface, `/api/v1/batch/*`. */
import * as z from 'zod'
import { list, optional, withDefault } from '../../http/request/fields.ts'
import { WebhookRequest } from '../../http/request/webhook-request.ts'
import { Activity } from './activity-schemas.ts'

/** Most ids that one `get` asks for, and most items of an `update` or `delete` that is answered at once. */
export const MAX_IDS = 100
/** Most items of any `update` or `delete`; a body of 10 MB holds hardly more. */
const MAX_WRITES = 100_000
/** Most children that one request for recommendations names. */
const MAX_CHILDREN = 50

/** `POST /api/v1/batch/get`. */
export const BatchGetRequest = z
  .strictObject({
    resource_type: z.string(),
    ids: list(z.string(), MAX_IDS, { min: 1 }),
    fields: optional(z.string()).describe(
      'Comma-separated; `id` is always given, unknown names are ignored, an empty text selects everything.',
    ),
  })
  .meta({ id: 'BatchGetRequest' })

/** `POST /api/v1/batch/activities/recommendations`. */
export const RecommendationsRequest = z
  .strictObject({
    child_ids: list(z.string().min(1), MAX_CHILDREN, { min: 1 }),
    max_recommendations: withDefault(z.int().min(1).max(20), 5),
    activity_types: optional(list(z.string(), 100)),
    child_age_months: optional(z.int().min(0).max(1200)),
    weather: optional(z.string()),
    group_size: optional(z.int().min(1).max(10_000)),
    include_special_needs: withDefault(z.boolean(), true),
  })
  .meta({ id: 'RecommendationsRequest' })

/** An id of any form: those that cannot exist get a result of their own, and do not fail the request. */
export const LooseId = z.string().max(1_000)

export const UpdateItem = z.object({ id: LooseId, data: z.record(z.string(), z.unknown()) })

/** `POST /api/v1/batch/update`. `data` is validated item by item. */
export const BatchUpdateRequest = z
  .strictObject({
    resource_type: z.string(),
    items: list(UpdateItem, MAX_WRITES),
    webhook: optional(WebhookRequest).describe('Notified when a write that became a batch ends.'),
  })
  .meta({ id: 'BatchUpdateRequest' })

/** `POST /api/v1/batch/delete`. */
export const BatchDeleteRequest = z
  .strictObject({
    resource_type: z.string(),
    ids: list(LooseId, MAX_WRITES),
    webhook: optional(WebhookRequest),
  })
  .meta({ id: 'BatchDeleteRequest' })

/** The same with items that are not validated yet, because they may be many. */
export const BatchUpdateFrame = BatchUpdateRequest.extend({ items: list(z.unknown(), MAX_WRITES) })
export const BatchDeleteFrame = BatchDeleteRequest.extend({ ids: list(z.unknown(), MAX_WRITES) })

/** Outcome of the write for one id. */
export const ItemOutcome = z
  .discriminatedUnion('status', [
    z.object({
      id: z.string(),
      status: z.literal('success'),
      data: z
        .record(z.string(), z.unknown())
        .optional()
        .describe(
          'The resource, or the part of it that `fields` selects; absent for what was deleted, and for what was updated by a key without the scope `resources:read`.',
        ),
      status_code: z.literal(200),
    }),
    z.object({ id: z.string(), status: z.literal('error'), error: z.string(), status_code: z.int().min(400) }),
  ])
  .meta({ id: 'ItemOutcome' })
export type ItemOutcome = z.infer<typeof ItemOutcome>

const Totals = {
  total_requested: z.int(),
  total_succeeded: z.int(),
  total_failed: z.int(),
  processed_at: z.iso.datetime(),
}

/** The answer to `get`, and to `update` and `delete` of up to 100: one result for each requested id, in their order. */
export const BatchResults = z
  .object({ resource_type: z.string(), results: z.array(ItemOutcome), ...Totals })
  .meta({ id: 'BatchResults' })
export type BatchResults = z.infer<typeof BatchResults>

/** An activity recommended to a child, with the reasons. */
export const Recommendation = z
  .object({
    activity: Activity,
    relevance_score: z.number().describe('0–1, three places.'),
    reasoning: z.string().describe('Sentences joined by `; `.'),
  })
  .meta({ id: 'Recommendation' })
export type Recommendation = z.infer<typeof Recommendation>

/** The answer to `recommendations`. */
export const RecommendationResults = z
  .object({
    results: z.array(
      z.object({
        id: z.string(),
        status: z.literal('success'),
        data: z.object({
          child_id: z.string(),
          recommendations: z.array(Recommendation),
          generated_at: z.iso.datetime(),
        }),
        status_code: z.literal(200),
      }),
    ),
    ...Totals,
  })
  .meta({ id: 'RecommendationResults' })
export type RecommendationResults = z.infer<typeof RecommendationResults>

/** The answer (202) to `update` and `delete` of more than 100: a batch that runs in the background. */
export const WriteAccepted = z
  .object({
    resource_type: z.string(),
    batch_id: z.string(),
    status: z.literal('pending'),
    total_requested: z.int(),
    message: z.string(),
    status_url: z.string(),
    stream_url: z.string(),
    results_url: z.string(),
    webhook_secret: z
      .string()
      .optional()
      .describe('The secret generated for its webhook, where none was given. It is shown in this answer alone.'),
  })
  .meta({ id: 'WriteAccepted' })
export type WriteAccepted = z.infer<typeof WriteAccepted>
