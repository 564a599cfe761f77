/** Finds declared operations: those of the configuration, for every owner, and those that owners declared for themselves. */
import { sql } from 'drizzle-orm'
import type { DeclaredOperations, Operations } from '../../operation.ts'
import type { Clock, Database } from '../../ports.ts'
import type { WorkerOperation } from './declared-operation.ts'
import { isWorkedOn, noticeOf } from './presence.ts'

/** Operations in the cache: their schemas are compiled once. */
const MAX_MADE = 200
/** Operations that an owner may declare. docs/workers.md states it. */
export const MAX_DECLARED = 200

/** A row of a declaration. */
export interface DeclaredRow {
  readonly owner: string
  readonly name: string
  readonly definition: string
  readonly updated_at: number
}

/** An operation of an owner, as a job names it. */
export interface OwnedName {
  readonly owner: string
  readonly name: string
}

const key = ({ owner, name }: OwnedName) => `${name} ${owner}`

/** Finds operations, and caches those that are used. */
export class DeclaredStore implements DeclaredOperations {
  readonly #deps: { readonly db: Database; readonly clock: Clock }
  /** By name and definition, the one used longest ago first. */
  readonly #made = new Map<string, WorkerOperation>()

  constructor(deps: { readonly db: Database; readonly clock: Clock }) {
    this.#deps = deps
  }

  async find(owner: string, name: string): Promise<WorkerOperation | null> {
    return (await this.findAll([{ owner, name }])).get(key({ owner, name })) ?? null
  }

  /** Finds several with one query. @returns a function that returns an operation of them */
  async look(
    wanted: readonly OwnedName[],
    configured: Operations,
  ): Promise<(one: OwnedName) => WorkerOperation | null> {
    const own = wanted.filter(({ name }) => workerOperationOf(configured, name) === null)
    const found = own.length === 0 ? new Map() : await this.findAll(own)
    return (one) => workerOperationOf(configured, one.name) ?? found.get(key(one)) ?? null
  }

  async findAll(wanted: readonly OwnedName[]): Promise<ReadonlyMap<string, WorkerOperation>> {
    const pairs = JSON.stringify(wanted.map(({ owner, name }) => [owner, name]))
    const rows = await this.#deps.db.all<DeclaredRow>(sql`
      SELECT d.owner, d.name, d.definition, d.updated_at FROM json_each(${pairs}) w
      CROSS JOIN declared_operations d ON d.owner = w.value ->> 0 AND d.name = w.value ->> 1`)
    const found = new Map<string, WorkerOperation>()
    for (const row of rows) found.set(key(row), await this.#make(row))
    return found
  }

  async names(owner: string): Promise<readonly string[]> {
    const rows = await this.#deps.db.all<{ name: string }>(
      sql`SELECT name FROM declared_operations WHERE owner = ${owner} ORDER BY name LIMIT ${MAX_DECLARED}`,
    )
    return rows.map(({ name }) => name)
  }

  async noticeOf(owner: string, queue: string): Promise<string | null> {
    return (await isWorkedOn(this.#deps, { owner, queue })) ? null : noticeOf(queue)
  }

  async #make({ name, definition }: DeclaredRow): Promise<WorkerOperation> {
    const id = `${name} ${definition}`
    const operation = this.#made.get(id) ?? (await makeOperation(name, definition))
    this.#made.delete(id)
    this.#made.set(id, operation)
    for (const oldest of this.#made.keys()) {
      if (this.#made.size <= MAX_MADE) break
      this.#made.delete(oldest)
    }
    return operation
  }
}

/** Makes an operation. Its code, the validator of JSON Schemas above all, is loaded by the first: most servers have none. */
async function makeOperation(name: string, definition: string): Promise<WorkerOperation> {
  const [{ makeWorkerOperation }, { OperationDeclaration }] = await Promise.all([
    import('./declared-operation.ts'),
    import('./schemas.ts'),
  ])
  return makeWorkerOperation(name, OperationDeclaration.parse(JSON.parse(definition)))
}

/** An operation of the configuration; null for any other. */
export function workerOperationOf(operations: Operations, name: string): WorkerOperation | null {
  const found = Object.hasOwn(operations, name) ? operations[name] : undefined
  return found !== undefined && isWorkerOperation(found) ? found : null
}

const isWorkerOperation = (operation: object): operation is WorkerOperation => 'checkResult' in operation
