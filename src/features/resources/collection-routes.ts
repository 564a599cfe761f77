/** Activities, participations and coaching notes one collection each: made many at once, read one by one or in pages. */
import { type Context, Hono } from 'hono'
import * as z from 'zod'
import { MillraceError } from '../../errors.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { checkFields, readFields } from '../../http/request/fastapi-validation.ts'
import { list } from '../../http/request/fields.ts'
import { jsonWithETag } from '../../http/response/etag.ts'
import { findRows, readPage } from '../../rows/owned-rows.ts'
import { ListRows, MAX_CREATED } from './activities.ts'
import { createRows } from './queries/create.ts'
import { TABLE_RESOURCES, type TableResource, type TableResourceName } from './tables.ts'

/**
 * `POST /` (`{<key>: […]}` answers the same with ids), `GET /:id`, `GET /` (`{<key>: […], next_cursor}`).
 * @param name which collection
 * @param key what its list is called in bodies
 */
export function collectionRoutes(deps: AppDeps, name: TableResourceName, key: string): Hono<Env> {
  const resource: TableResource = TABLE_RESOURCES[name]
  const Body = z.object({ [key]: list(resource.create, MAX_CREATED) })
  return new Hono<Env>()
    .post('/', async (c) => {
      const items = (await readFields(c, Body))[key] ?? []
      return c.json({ [key]: await createRows(deps, name, c.get('caller').owner, items) }, 201)
    })
    .get('/', async (c) => {
      const { cursor, limit } = checkFields('query', c.req.query(), ListRows)
      const { rows, next } = await readPage(deps.db, resource, c.get('caller').owner, { after: cursor, limit })
      return jsonWithETag(c, { [key]: rows, next_cursor: next })
    })
    .get('/:id', async (c: Context<Env, '/:id'>) => {
      const id = c.req.param('id')
      const row = (await findRows(deps.db, resource, c.get('caller').owner, [id])).get(id)
      if (row === undefined) throw new MillraceError('NOT_FOUND', `${resource.noun} with id ${id} not found`)
      return jsonWithETag(c, row)
    })
}
