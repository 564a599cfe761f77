/** The batch-read surface, `/api/v1/batch`: many resources, or recommendations for many children, in one round trip. */
import type { Context, Hono } from 'hono'
import { yieldToEventLoop } from '../../engine/chunked-work.ts'
import { submit } from '../../engine/transitions/submit.ts'
import { MillraceError } from '../../errors.ts'
import { demandScope, hasScope } from '../../http/auth/authenticate.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import {
  type Endpoint,
  type ErrorStatus,
  json,
  jsonBody,
  longJsonBody,
  NOT_MODIFIED,
} from '../../http/openapi/endpoint.ts'
import { idempotencyKey } from '../../http/request/idempotency-key.ts'
import type { WebhookRequest } from '../../http/request/webhook-request.ts'
import { announceBatch } from '../../http/response/accepted.ts'
import { DETAIL_ERRORS } from '../../http/response/error-formats.ts'
import { jsonWithETag, textWithETag } from '../../http/response/etag.ts'
import { type RouteContext, Routes } from '../../http/routes.ts'
import type { ReadableResource } from '../../rows/readable-resource.ts'
import { planWrite, resourceWrite } from './operation.ts'
import { parseFields, presentFound, readableTables } from './queries/batch-get.ts'
import { recommend } from './queries/recommend.ts'
import {
  BatchDeleteFrame,
  BatchDeleteRequest,
  BatchGetRequest,
  BatchResults,
  BatchUpdateFrame,
  BatchUpdateRequest,
  type ItemOutcome,
  LooseId,
  MAX_IDS,
  RecommendationResults,
  RecommendationsRequest,
  UpdateItem,
  WriteAccepted,
} from './schemas.ts'
import type { Write } from './write.ts'
import { writeNow } from './write-sync.ts'

const WRITTEN = {
  200: json('What became of each item. Up to 100 are written before the answer.', BatchResults),
  202: json('More than 100: a batch goes on by itself.', WriteAccepted, ['Location']),
}
const READ_ERRORS: readonly ErrorStatus[] = [400, 413, 415, 422, 503]
const WRITE_ERRORS: readonly ErrorStatus[] = [...READ_ERRORS, 409]

const read = {
  route: 'POST /api/v1/batch/get',
  id: 'getResources',
  summary: 'Up to 100 resources of a type, by id',
  description: 'Types: `activities`, `participations`, `coaching`, `analytics`, `cards`, `chunks`, `batches`.',
  headers: ['If-None-Match'],
  body: jsonBody(BatchGetRequest, {
    activities: { resource_type: 'activities', ids: ['shared-sock-pairs', 'nope'], fields: 'name,age_range' },
  }),
  answers: { 200: json('One result for every id, in their order.', BatchResults, ['ETag']), 304: NOT_MODIFIED },
  errors: READ_ERRORS,
} satisfies Endpoint

const recommendations = {
  route: 'POST /api/v1/batch/activities/recommendations',
  id: 'recommendActivities',
  summary: 'Activities for up to 50 children',
  headers: ['If-None-Match'],
  body: jsonBody(RecommendationsRequest, {
    rainy: { child_ids: ['child-1'], child_age_months: 40, weather: 'rainy', max_recommendations: 2 },
  }),
  answers: {
    200: json('Activities with scores and reasons, by child.', RecommendationResults, ['ETag']),
    304: NOT_MODIFIED,
  },
  errors: READ_ERRORS,
} satisfies Endpoint

const update = {
  route: 'POST /api/v1/batch/update',
  id: 'updateResources',
  summary: 'Change activities or coaching notes',
  description: 'Fields that `data` does not name stay; `null` empties those that may be empty.',
  headers: ['Idempotency-Key'],
  body: longJsonBody(
    BatchUpdateRequest,
    { name: 'items', frame: BatchUpdateFrame, element: UpdateItem },
    {
      one: { resource_type: 'activities', items: [{ id: 'my-activity', data: { duration_minutes: 20 } }] },
    },
  ),
  answers: WRITTEN,
  errors: WRITE_ERRORS,
} satisfies Endpoint

const remove = {
  route: 'POST /api/v1/batch/delete',
  id: 'deleteResources',
  summary: 'Delete activities or coaching notes',
  headers: ['Idempotency-Key'],
  body: longJsonBody(
    BatchDeleteRequest,
    { name: 'ids', frame: BatchDeleteFrame, element: LooseId },
    { one: { resource_type: 'coaching', ids: ['my-note'] } },
  ),
  answers: WRITTEN,
  errors: WRITE_ERRORS,
} satisfies Endpoint

export const endpoints: readonly Endpoint[] = [read, recommendations, update, remove]

/** @param others types of resource that other features have, beside the tables of this one */
export function batchReadRoutes(deps: AppDeps, others: readonly ReadableResource[]): Hono<Env> {
  const resources = new Map([...readableTables(deps.db), ...others].map((resource) => [resource.name, resource]))
  return new Routes('/api/v1', DETAIL_ERRORS)
    .add(read, (c) => get(c, deps, resources))
    .add(recommendations, (c) => recommendTo(c, deps))
    .add(update, async (c) => {
      const { resource_type, items, webhook } = c.req.valid('json')
      return write(c, deps, { resource_type, action: 'update', items }, webhook)
    })
    .add(remove, async (c) => {
      const { resource_type, ids, webhook } = c.req.valid('json')
      return write(c, deps, { resource_type, action: 'delete', items: ids.map((id) => ({ id })) }, webhook)
    }).hono
}

async function get(
  c: RouteContext<typeof read>,
  deps: AppDeps,
  resources: ReadonlyMap<string, ReadableResource>,
): Promise<Response> {
  const { resource_type, ids, fields } = c.req.valid('json')
  const resource = resources.get(resource_type)
  if (resource === undefined) {
    throw new MillraceError(
      'INVALID_REQUEST',
      `Unsupported resource type: ${resource_type}. Supported types: ${[...resources.keys()].join(', ')}`,
    )
  }
  demandScope(c, resource.scope)
  const found = await resource.find(c.get('caller').owner, ids, c.req.raw.signal)
  const results = presentFound(resource.noun, ids, found, parseFields(fields))
  const answer: Omit<BatchResults, 'processed_at'> = { resource_type, results, ...totals(results) }
  return jsonWithETag(c, answer, processedAt(deps))
}

async function recommendTo(c: RouteContext<typeof recommendations>, deps: AppDeps): Promise<Response> {
  const request = c.req.valid('json')
  const found = await recommend(deps, c.get('caller').owner, {
    childIds: request.child_ids,
    limit: request.max_recommendations,
    types: request.activity_types ?? [],
    occasion: {
      ageMonths: request.child_age_months ?? null,
      weather: request.weather ?? null,
      groupSize: request.group_size ?? null,
      specialNeeds: request.include_special_needs,
    },
  })
  const { processed_at: generated_at } = processedAt(deps)
  const results = request.child_ids.map((id) => ({
    id,
    status: 'success' as const,
    data: { child_id: id, recommendations: found.get(id) ?? [], generated_at },
    status_code: 200 as const,
  }))
  const answer: RecommendationResults = { results, ...totals(results), processed_at: generated_at }
  return textWithETag(c, JSON.stringify([...found]), JSON.stringify(answer))
}

const processedAt = (deps: AppDeps) => ({ processed_at: new Date(deps.clock.now()).toISOString() })

function totals(results: readonly { status: string }[]) {
  const succeeded = results.filter(({ status }) => status === 'success').length
  return {
    total_requested: results.length,
    total_succeeded: succeeded,
    total_failed: results.length - succeeded,
  }
}

function withoutData(result: ItemOutcome): ItemOutcome {
  if (result.status === 'error') return result
  const { id, status, status_code } = result
  return { id, status, status_code }
}

/** Writes up to 100 items before it answers; more become a batch. */
async function write(c: Context<Env>, deps: AppDeps, request: Write, webhook?: WebhookRequest): Promise<Response> {
  if (request.items.length > MAX_IDS) return writeLater(c, deps, request, webhook)
  await c.get('admit')?.()
  const written = await writeNow(deps, c.get('caller').owner, request)
  // Answers contain whole updated resources, fields that were not sent included, which takes the scope to read.
  const results = hasScope(c, 'resources:read') ? written : written.map(withoutData)
  const { resource_type } = request
  return c.json({ resource_type, results, ...totals(results), ...processedAt(deps) } satisfies BatchResults)
}

async function writeLater(c: Context<Env>, deps: AppDeps, request: Write, webhook?: WebhookRequest): Promise<Response> {
  const { owner } = c.get('caller')
  const { batchId } = await submit(deps, {
    owner,
    operation: resourceWrite,
    request,
    plan: () => planWrite(request, yieldToEventLoop),
    options: webhook === undefined ? {} : { webhook },
    idempotency: idempotencyKey(c, { ...request, webhook }),
    admit: c.get('admit'),
  })
  const { url, streamUrl, webhookSecret } = await announceBatch(c, deps, batchId, { webhook })
  const answer: WriteAccepted = {
    resource_type: request.resource_type,
    batch_id: batchId,
    status: 'pending',
    total_requested: request.items.length,
    message: `More than ${MAX_IDS} items are worked on as a batch. Follow it at status_url or stream_url; what became of each item is at results_url once it has ended.`,
    status_url: url,
    stream_url: streamUrl,
    results_url: `${url}/results`,
    ...(webhookSecret === undefined ? {} : { webhook_secret: webhookSecret }),
  }
  return c.json(answer, 202)
}
