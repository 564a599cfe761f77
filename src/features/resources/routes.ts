/** The batch-read surface, `/api/v1/batch`: many resources, or recommendations for many children, in one round trip. */
import { type Context, Hono } from 'hono'
import { yieldToEventLoop } from '../../engine/chunked-work.ts'
import { submit } from '../../engine/transitions/submit.ts'
import { readWebhookSecret } from '../../engine/webhooks.ts'
import { MillraceError } from '../../errors.ts'
import { demandScope, hasScope } from '../../http/auth/authenticate.ts'
import { streamToken } from '../../http/auth/tokens.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { readFields, readLongList } from '../../http/request/fastapi-validation.ts'
import { idempotencyKey } from '../../http/request/idempotency-key.ts'
import type { WebhookRequest } from '../../http/request/webhook-request.ts'
import { jsonWithETag, textWithETag } from '../../http/response/etag.ts'
import type { ReadableResource } from '../../rows/readable-resource.ts'
import { planWrite, resourceWrite } from './operation.ts'
import { parseFields, presentFound, readableTables } from './queries/batch-get.ts'
import { recommend } from './queries/recommend.ts'
import {
  BatchDeleteFrame,
  BatchGetRequest,
  type BatchResults,
  BatchUpdateFrame,
  type ItemOutcome,
  LooseId,
  MAX_IDS,
  type RecommendationResults,
  RecommendationsRequest,
  UpdateItem,
  type WriteAccepted,
} from './schemas.ts'
import type { Write } from './write.ts'
import { writeNow } from './write-sync.ts'

/**
 * `POST /get`, `POST /activities/recommendations`, `POST /update`, `POST /delete`.
 * @param others types of resource that other features have, beside the tables of this one
 */
export function batchReadRoutes(deps: AppDeps, others: readonly ReadableResource[]): Hono<Env> {
  const resources = new Map([...readableTables(deps.db), ...others].map((resource) => [resource.name, resource]))
  return new Hono<Env>()
    .post('/get', (c) => get(c, deps, resources))
    .post('/activities/recommendations', (c) => recommendations(c, deps))
    .post('/update', async (c) => {
      const { body, items } = await readLongList(c, BatchUpdateFrame, 'items', UpdateItem)
      const { resource_type, webhook } = body
      return write(c, deps, { resource_type, action: 'update', items }, webhook)
    })
    .post('/delete', async (c) => {
      const { body, items: ids } = await readLongList(c, BatchDeleteFrame, 'ids', LooseId)
      const { resource_type, webhook } = body
      return write(c, deps, { resource_type, action: 'delete', items: ids.map((id) => ({ id })) }, webhook)
    })
}

async function get(
  c: Context<Env>,
  deps: AppDeps,
  resources: ReadonlyMap<string, ReadableResource>,
): Promise<Response> {
  const { resource_type, ids, fields } = await readFields(c, BatchGetRequest)
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

async function recommendations(c: Context<Env>, deps: AppDeps): Promise<Response> {
  const request = await readFields(c, RecommendationsRequest)
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

/** Up to 100 are written before the answer; more become a batch on the engine. */
async function write(c: Context<Env>, deps: AppDeps, request: Write, webhook?: WebhookRequest): Promise<Response> {
  if (request.items.length > MAX_IDS) return writeLater(c, deps, request, webhook)
  await c.get('admit')?.()
  const written = await writeNow(deps, c.get('caller').owner, request)
  // Updated resources are returned as they are now, fields that were not sent included, which takes the scope to read.
  const results = hasScope(c, 'resources:read') ? written : written.map(withoutData)
  return c.json({ resource_type: request.resource_type, results, ...totals(results), ...processedAt(deps) })
}

async function writeLater(c: Context<Env>, deps: AppDeps, request: Write, webhook?: WebhookRequest): Promise<Response> {
  const { owner, authenticated } = c.get('caller')
  const { batchId } = await submit(deps, {
    owner,
    operation: resourceWrite,
    request,
    plan: () => planWrite(request, yieldToEventLoop),
    options: webhook === undefined ? {} : { webhook },
    idempotency: idempotencyKey(c, { ...request, webhook }),
    admit: c.get('admit'),
  })
  const url = `/api/batch/${batchId}`
  const token = authenticated ? `?token=${await streamToken(deps.auth, deps.clock, owner, batchId)}` : ''
  const answer: WriteAccepted = {
    resource_type: request.resource_type,
    batch_id: batchId,
    status: 'pending',
    total_requested: request.items.length,
    message: `More than ${MAX_IDS} items are worked on as a batch. Follow it at status_url or stream_url; what became of each item is at results_url once it has ended.`,
    status_url: url,
    stream_url: `${url}/stream${token}`,
    results_url: `${url}/results`,
  }
  if (webhook !== undefined && webhook.secret === undefined) {
    answer.webhook_secret = await readWebhookSecret(deps.db, batchId)
  }
  c.header('Location', url)
  return c.json(answer, 202)
}
