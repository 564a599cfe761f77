/** Operations that callers declare for workers over HTTP: declare, read, list, delete. */
import { sql } from 'drizzle-orm'
import type { Hono } from 'hono'
import * as z from 'zod'
import { MillraceError } from '../../errors.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { limitBody } from '../../http/middleware/request-limits.ts'
import { type Endpoint, json, jsonBody } from '../../http/openapi/endpoint.ts'
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import { publicPath } from '../../http/response/public-address.ts'
import { Routes } from '../../http/routes.ts'
import type { Operations } from '../../operation.ts'
import { type DeclaredRow, DeclaredStore, MAX_DECLARED, workerOperationOf } from './declared-store.ts'
import { ABSENT_MS, readLastSeen } from './presence.ts'
import {
  type DeclaredOperation,
  DOCUMENT_NAME,
  OperationAnswer,
  OperationDeclaration,
  OperationDeleted,
  OperationList,
  OperationName,
} from './schemas.ts'

const MAX_BODY_BYTES = 256 * 1024
const limitDeclaration = limitBody(MAX_BODY_BYTES, 'A declaration may hold 256 KB.')
const NAME = z.strictObject({ name: OperationName.describe('Name of the operation.') })
const NAMED = z.strictObject({ name: z.string().describe('Name of the operation.') })

const declare = {
  route: 'PUT /api/operations/:name',
  id: 'declareOperation',
  summary: 'Declare an operation whose jobs workers over HTTP run, or change it',
  description:
    "It is the caller's own. Items are checked by its schema when a batch is created, results when a worker returns them. Existing batches keep their items and limits on attempts.",
  path: NAME,
  body: jsonBody(OperationDeclaration, {
    resize: {
      description: 'Makes thumbnails.',
      item: {
        type: 'object',
        properties: { url: { type: 'string' }, width: { type: 'integer', minimum: 1 } },
        required: ['url'],
        additionalProperties: false,
      },
      result: { type: 'object', properties: { bytes: { type: 'integer' } }, required: ['bytes'] },
      maxAttempts: 5,
      timeLimitSeconds: 60,
      backoff: { firstSeconds: 2, maxSeconds: 60 },
    },
    anything: {},
  }),
  answers: { 200: json('Declared.', OperationAnswer) },
  errors: [400, 409, 413, 415],
} satisfies Endpoint

const list = {
  route: 'GET /api/operations',
  id: 'listOperations',
  summary: 'Operations that workers over HTTP run: those of the configuration, and those the caller declared',
  answers: { 200: json('All of them.', OperationList) },
} satisfies Endpoint

const readDocument = {
  route: `GET /api/operations/${DOCUMENT_NAME}`,
  id: 'readOwnOpenApi',
  summary: 'The OpenAPI document, with the operations that the caller declared',
  description: 'As `/openapi.json`, and a typed body of `createBatch` for each of them.',
  answers: { 200: json('OpenAPI 3.1.', z.looseObject({ openapi: z.string() })) },
} satisfies Endpoint

const read = {
  route: 'GET /api/operations/:name',
  id: 'readOperation',
  summary: 'One of these operations, with its live workers',
  path: NAMED,
  answers: { 200: json('The operation.', OperationAnswer) },
  errors: [404],
} satisfies Endpoint

const remove = {
  route: 'DELETE /api/operations/:name',
  id: 'deleteOperation',
  summary: 'Take an operation back that no batch uses any more',
  path: NAMED,
  answers: { 200: json('Taken back.', OperationDeleted) },
  errors: [404, 409],
} satisfies Endpoint

export const endpoints: readonly Endpoint[] = [declare, list, readDocument, read, remove]

/** @param loadDocument loads the OpenAPI document of all surfaces, with what operations take */
export function operationRoutes(deps: AppDeps, loadDocument: (operations: Operations) => Promise<object>): Hono<Env> {
  const store = new DeclaredStore(deps)
  return new Routes('/api/operations', CODED_ERRORS)
    .add(
      declare,
      async (c) => {
        const { owner } = c.get('caller')
        const { name } = c.req.valid('param')
        refuseTaken(deps, name)
        await write(deps, { owner, name }, c.req.valid('json'))
        return c.json({ success: true as const, operation: await find(deps, owner, name) })
      },
      [limitDeclaration],
    )
    .add(list, async (c) => c.json({ success: true as const, operations: await listOf(deps, c.get('caller').owner) }))
    .add(readDocument, async (c) => {
      const { owner } = c.get('caller')
      const found = await store.findAll((await store.names(owner)).map((name) => ({ owner, name })))
      const own = Object.fromEntries([...found.values()].map((operation) => [operation.name, operation]))
      const servers = [{ url: publicPath(deps, '/') }]
      return c.json({ openapi: '3.1.0', ...(await loadDocument({ ...deps.operations, ...own })), servers })
    })
    .add(read, async (c) =>
      c.json({
        success: true as const,
        operation: await find(deps, c.get('caller').owner, c.req.valid('param').name),
      }),
    )
    .add(remove, async (c) => {
      const { owner } = c.get('caller')
      const { name } = c.req.valid('param')
      await takeBack(deps, { owner, name })
      return c.json({ success: true as const, name })
    }).hono
}

function refuseTaken(deps: AppDeps, name: string): void {
  if (!Object.hasOwn(deps.operations, name)) return
  const whose = workerOperationOf(deps.operations, name) === null ? 'built in' : 'declared by the configuration'
  throw new MillraceError('CONFLICT', `name: the operation "${name}" is ${whose}. Name yours otherwise.`, {
    details: { field: 'name' },
  })
}

async function write(
  { db, clock }: AppDeps,
  { owner, name }: { owner: string; name: string },
  declaration: OperationDeclaration,
): Promise<void> {
  const now = clock.now()
  const rows = await db.all(sql`
    INSERT INTO declared_operations (owner, name, definition, created_at, updated_at)
    SELECT ${owner}, ${name}, ${JSON.stringify(declaration)}, ${now}, ${now}
    WHERE EXISTS (SELECT 1 FROM declared_operations WHERE owner = ${owner} AND name = ${name})
      OR (SELECT count(*) FROM declared_operations WHERE owner = ${owner}) < ${MAX_DECLARED}
    ON CONFLICT (owner, name) DO UPDATE SET definition = excluded.definition, updated_at = excluded.updated_at RETURNING name`)
  if (rows.length > 0) return
  throw new MillraceError('CONFLICT', `You have declared ${MAX_DECLARED} operations, which is as many as there may be.`)
}

async function takeBack(deps: AppDeps, { owner, name }: { owner: string; name: string }): Promise<void> {
  const { db } = deps
  const used = sql`EXISTS (SELECT 1 FROM batches
    WHERE owner = ${owner} AND status IN ('pending', 'processing') AND operation = ${name} AND deleted_at IS NULL)`
  const rows = await db.all(
    sql`DELETE FROM declared_operations WHERE owner = ${owner} AND name = ${name} AND NOT ${used} RETURNING name`,
  )
  if (rows.length > 0) return
  const { declaredBy } = await find(deps, owner, name)
  throw new MillraceError(
    'CONFLICT',
    declaredBy === 'configuration'
      ? `"${name}" is declared by the configuration of the server, and taken back there.`
      : `Batches of "${name}" have not ended. Wait for them, or cancel them.`,
  )
}

async function find(deps: AppDeps, owner: string, name: string): Promise<DeclaredOperation> {
  const [row] = await deps.db.all<DeclaredRow>(
    sql`SELECT owner, name, definition, updated_at FROM declared_operations WHERE owner = ${owner} AND name = ${name}`,
  )
  const [found] = await present(deps, owner, configuredOf(deps, [name]), row === undefined ? [] : [row])
  if (found !== undefined) return found
  throw new MillraceError('NOT_FOUND', 'There is no operation of this name that workers over HTTP run.')
}

async function listOf(deps: AppDeps, owner: string): Promise<DeclaredOperation[]> {
  const rows = await deps.db.all<DeclaredRow>(
    sql`SELECT owner, name, definition, updated_at FROM declared_operations WHERE owner = ${owner} ORDER BY name LIMIT ${MAX_DECLARED}`,
  )
  return present(deps, owner, configuredOf(deps, Object.keys(deps.operations)), rows)
}

const configuredOf = ({ operations }: AppDeps, names: readonly string[]) =>
  names.flatMap((name) => workerOperationOf(operations, name) ?? [])

async function present(
  deps: AppDeps,
  owner: string,
  configured: ReturnType<typeof configuredOf>,
  rows: readonly DeclaredRow[],
): Promise<DeclaredOperation[]> {
  const names = [...configured, ...rows].map(({ name }) => name)
  const seen = await readLastSeen(deps.db, owner, names)
  const presence = (name: string) => {
    const at = seen.get(name)
    return {
      lastWorkerAt: at === undefined ? null : new Date(at).toISOString(),
      working: at !== undefined && deps.clock.now() - at < ABSENT_MS,
    }
  }
  return [
    ...configured.map(({ name, declaration }) => ({
      name,
      definition: declaration,
      declaredBy: 'configuration' as const,
      updatedAt: null,
      ...presence(name),
    })),
    ...rows.map(({ name, definition, updated_at }) => ({
      name,
      definition: OperationDeclaration.parse(JSON.parse(definition)),
      declaredBy: 'you' as const,
      updatedAt: new Date(updated_at).toISOString(),
      ...presence(name),
    })),
  ]
}
