/** Described: resources in batches, recommendations, and the collections they are made in. */
import * as z from 'zod'
import { type Endpoint, type ErrorStatus, json, jsonBody, NOT_MODIFIED } from '../../http/openapi/endpoint.ts'
import { list } from '../../http/request/fields.ts'
import {
  Activity,
  CoachingNote,
  ListRows,
  MAX_CREATED,
  NewActivity,
  NewCoachingNote,
  NewParticipation,
  Participation,
} from './activities.ts'
import {
  BatchDeleteRequest,
  BatchGetRequest,
  BatchResults,
  BatchUpdateRequest,
  RecommendationResults,
  RecommendationsRequest,
  WriteAccepted,
} from './schemas.ts'

const WRITTEN = {
  200: json('What became of each item. Up to 100 are written before the answer.', BatchResults),
  202: json('More than 100: a batch goes on by itself.', WriteAccepted, ['Location']),
}
const READ_ERRORS: readonly ErrorStatus[] = [400, 413, 415, 422, 503]
const WRITE_ERRORS: readonly ErrorStatus[] = [...READ_ERRORS, 409]

const inBatches: readonly Endpoint[] = [
  {
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
  },
  {
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
  },
  {
    route: 'POST /api/v1/batch/update',
    id: 'updateResources',
    summary: 'Change activities or coaching notes',
    description: 'Fields that `data` does not name stay; `null` empties those that may be empty.',
    headers: ['Idempotency-Key'],
    body: jsonBody(BatchUpdateRequest, {
      one: { resource_type: 'activities', items: [{ id: 'my-activity', data: { duration_minutes: 20 } }] },
    }),
    answers: WRITTEN,
    errors: WRITE_ERRORS,
  },
  {
    route: 'POST /api/v1/batch/delete',
    id: 'deleteResources',
    summary: 'Delete activities or coaching notes',
    headers: ['Idempotency-Key'],
    body: jsonBody(BatchDeleteRequest, { one: { resource_type: 'coaching', ids: ['my-note'] } }),
    answers: WRITTEN,
    errors: WRITE_ERRORS,
  },
]

/** The routes of a collection. */
function collection(of: {
  path: `/${string}`
  /** Name of lists in bodies. */
  key: string
  names: { readonly many: string; readonly one: string }
  created: z.ZodType
  row: z.ZodType
  example: Readonly<Record<string, unknown>>
}): Endpoint[] {
  const { many, one } = of.names
  const lower = many.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).trim()
  const page = z.object({ [of.key]: z.array(of.row), next_cursor: z.string().nullable() })
  return [
    {
      route: `POST ${of.path}`,
      id: `create${many}`,
      summary: `Make ${lower}, all or none`,
      body: jsonBody(z.object({ [of.key]: list(of.created, MAX_CREATED) }), { one: { [of.key]: [of.example] } }),
      answers: { 201: json('As they are read.', z.object({ [of.key]: z.array(of.row) })) },
      errors: WRITE_ERRORS,
    },
    {
      route: `GET ${of.path}`,
      id: `list${many}`,
      summary: `All ${lower} the caller may read, page by page`,
      query: ListRows,
      headers: ['If-None-Match'],
      answers: { 200: json('A page.', page, ['ETag']), 304: NOT_MODIFIED },
      errors: [422, 503],
    },
    {
      route: `GET ${of.path}/:id`,
      id: `read${one}`,
      summary: 'One of them',
      path: { id: 'Its id.' },
      headers: ['If-None-Match'],
      answers: { 200: json('It.', of.row, ['ETag']), 304: NOT_MODIFIED },
      errors: [404, 503],
    },
  ]
}

export const endpoints: readonly Endpoint[] = [
  ...inBatches,
  ...collection({
    path: '/api/v1/activities',
    key: 'activities',
    names: { many: 'Activities', one: 'Activity' },
    created: NewActivity,
    row: Activity,
    example: {
      id: 'my-activity',
      name: 'Sorting leaves',
      activity_type: 'cognitive',
      duration_minutes: 25,
      age_range: { min_months: 24, max_months: 60 },
    },
  }),
  ...collection({
    path: '/api/v1/participations',
    key: 'participations',
    names: { many: 'Participations', one: 'Participation' },
    created: NewParticipation,
    row: Participation,
    example: { child_id: 'child-1', activity_id: 'shared-sock-pairs', participated_at: '2026-02-16T10:00:00Z' },
  }),
  ...collection({
    path: '/api/v1/coaching',
    key: 'notes',
    names: { many: 'CoachingNotes', one: 'CoachingNote' },
    created: NewCoachingNote,
    row: CoachingNote,
    example: { id: 'my-note', child_id: 'child-1', author: 'Ines', text: 'Asked for the blue one.' },
  }),
]
