/** Collections of activities, participations and coaching notes: created many at once, read one by one or in pages. */
import type { Hono } from 'hono'
import * as z from 'zod'
import { MillraceError } from '../../errors.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { type Endpoint, json, jsonBody, NOT_MODIFIED } from '../../http/openapi/endpoint.ts'
import { idCursor } from '../../http/request/cursor.ts'
import { list, PageLimit } from '../../http/request/fields.ts'
import { DETAIL_ERRORS } from '../../http/response/error-formats.ts'
import { jsonWithETag } from '../../http/response/etag.ts'
import { Routes } from '../../http/routes.ts'
import { findRows, readPage } from '../../rows/owned-rows.ts'
import { Activity, CoachingNote, MAX_CREATED, Participation } from './activity-schemas.ts'
import { createRows } from './queries/create.ts'
import { TABLE_RESOURCES, type TableResource, type TableResourceName } from './tables.ts'

const PAGE = 100

/** A collection: its rows and their names. */
interface Collection {
  readonly name: TableResourceName
  /** Name of lists in bodies. */
  readonly key: string
  /** Names of its operations. */
  readonly many: string
  readonly one: string
  readonly row: z.ZodType
  readonly example: Readonly<Record<string, unknown>>
}

/** Describes the routes of a collection: `POST` answers `{<key>: […]}` with ids, `GET` `{<key>: […], next_cursor}`. */
function describe({ name, key, many, one, row, example }: Collection) {
  const lower = many.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).trim()
  const cursor = idCursor(name)
  const create = {
    route: `POST /api/v1/${name}`,
    id: `create${many}`,
    summary: `Make ${lower}, all or none`,
    body: jsonBody(z.strictObject({ [key]: list(TABLE_RESOURCES[name].create, MAX_CREATED) }), {
      one: { [key]: [example] },
    }),
    answers: { 201: json('As they are read.', z.object({ [key]: z.array(row) })) },
    errors: [400, 409, 413, 415, 422, 503],
  } satisfies Endpoint
  const readMany = {
    route: `GET /api/v1/${name}`,
    id: `list${many}`,
    summary: `All ${lower} the caller may read, page by page`,
    query: z.strictObject({ cursor: cursor.optional(), limit: PageLimit }),
    headers: ['If-None-Match'],
    answers: {
      200: json('A page.', z.object({ [key]: z.array(row), next_cursor: z.string().nullable() }), ['ETag']),
      304: NOT_MODIFIED,
    },
    errors: [422, 503],
  } satisfies Endpoint
  const readOne = {
    route: `GET /api/v1/${name}/:id`,
    id: `read${one}`,
    summary: 'One of them',
    path: z.strictObject({ id: z.string().describe('Its id.') }),
    headers: ['If-None-Match'],
    answers: { 200: json('It.', row, ['ETag']), 304: NOT_MODIFIED },
    errors: [404, 503],
  } satisfies Endpoint
  return { create, readMany, readOne, cursor }
}

const COLLECTIONS: readonly Collection[] = [
  {
    name: 'activities',
    key: 'activities',
    many: 'Activities',
    one: 'Activity',
    row: Activity,
    example: {
      id: 'my-activity',
      name: 'Sorting leaves',
      activity_type: 'cognitive',
      duration_minutes: 25,
      age_range: { min_months: 24, max_months: 60 },
    },
  },
  {
    name: 'participations',
    key: 'participations',
    many: 'Participations',
    one: 'Participation',
    row: Participation,
    example: { child_id: 'child-1', activity_id: 'shared-sock-pairs', participated_at: '2026-02-16T10:00:00Z' },
  },
  {
    name: 'coaching',
    key: 'notes',
    many: 'CoachingNotes',
    one: 'CoachingNote',
    row: CoachingNote,
    example: { id: 'my-note', child_id: 'child-1', author: 'Ines', text: 'Asked for the blue one.' },
  },
]

const described = COLLECTIONS.map((collection) => ({ ...collection, ...describe(collection) }))

export const endpoints: readonly Endpoint[] = described.flatMap(({ create, readMany, readOne }) => [
  create,
  readMany,
  readOne,
])

export function collectionRoutes(deps: AppDeps): Hono<Env> {
  const routes = new Routes('/api/v1', DETAIL_ERRORS)
  for (const { name, key, create, readMany, readOne, cursor: cursorFormat } of described) {
    const resource: TableResource = TABLE_RESOURCES[name]
    routes
      .add(create, async (c) => {
        const items = c.req.valid('json')[key] ?? []
        return c.json({ [key]: await createRows(deps, name, c.get('caller').owner, items) }, 201)
      })
      .add(readMany, async (c) => {
        const { cursor = '', limit = PAGE } = c.req.valid('query')
        const { rows, next } = await readPage(deps.db, resource, c.get('caller').owner, { after: cursor, limit })
        return jsonWithETag(c, { [key]: rows, next_cursor: next === null ? null : z.encode(cursorFormat, next) })
      })
      .add(readOne, async (c) => {
        const { id } = c.req.valid('param')
        const row = (await findRows(deps.db, resource, c.get('caller').owner, [id])).get(id)
        if (row === undefined) throw new MillraceError('NOT_FOUND', `${resource.noun} with id ${id} not found`)
        return jsonWithETag(c, row)
      })
  }
  return routes.hono
}
